import { readFile } from 'node:fs/promises'
import type { Context, Hono } from 'hono'
import { answerBadMethod } from './api-error.ts'
import type { Env } from './api-guard.ts'

const files = [
  { path: '/', file: 'dev.html', type: 'text/html; charset=utf-8' },
  { path: '/dev.css', file: 'dev.css', type: 'text/css; charset=utf-8' },
  { path: '/dev.js', file: 'dev.js', type: 'text/javascript; charset=utf-8' },
]

/** Serves the page of --dev. The page may load only its own three files and talk only to its own server. */
export function addDevPage(app: Hono<Env>): void {
  for (const { path, file, type } of files) {
    app.get(path, async (c) => {
      const body = await readFile(new URL(`./pages/${file}`, import.meta.url))
      return c.body(new Uint8Array(body), 200, { ...securityHeaders(c), 'Content-Type': type })
    })
    app.all(path, (c) => answerBadMethod(c, ['GET']))
  }
}

function securityHeaders(c: Context<Env>): Record<string, string> {
  const host = c.req.header('host') ?? ''
  // 'self' does not cover WebSockets in every browser. `host` is safe here: it was checked to name this machine.
  const connect = `connect-src 'self' ws://${host} wss://${host}`
  const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; ${connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
  return {
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-cache',
  }
}
