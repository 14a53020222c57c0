import { createHash, timingSafeEqual } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { FlotillaError } from '../index.ts'
import { includesLoopback, isLoopback, isLoopbackHostHeader } from './loopback.ts'

export interface Env {
  Bindings: HttpBindings
}

export interface Access {
  readonly apiKey: string | undefined
  readonly dev: boolean
}

/** With --dev: a name that was made to resolve to 127.0.0.1 gets nothing. */
export const onlyThisMachine = createMiddleware<Env>(async (c, next) => {
  if (!isLoopbackHostHeader(c.req.header('host'))) {
    throw new FlotillaError('FLT_FORBIDDEN', 'with --dev only this machine is served: ask for localhost')
  }
  await next()
})

/** With --dev the API asks for no key, so a page of another site that the developer visits must not reach it. */
export const onlyOwnPages = createMiddleware<Env>(async (c, next) => {
  const origin = c.req.header('origin')
  if (origin !== undefined && !isOf(origin, c.req.header('host'))) {
    throw new FlotillaError('FLT_FORBIDDEN', `pages of ${origin} may not use the API`)
  }
  await next()
})

export function requireKey(access: Access) {
  return createMiddleware<Env>(async (c, next) => {
    checkKey(access, c.req.header('authorization'))
    await next()
  })
}

/**
 * A scraper on the same machine needs no key; one that comes through a proxy is not on the same machine. A proxy may say
 * nothing of whom it forwards, so where one on this machine is trusted, nobody is near.
 */
export function requireKeyFromAfar(access: Access, trustProxy: readonly string[] = []) {
  const hasProxyHere = includesLoopback(trustProxy)
  return createMiddleware<Env>(async (c, next) => {
    if (hasProxyHere || !isNear(c)) checkKey(access, c.req.header('authorization'))
    await next()
  })
}

function checkKey({ apiKey, dev }: Access, authorization: string | undefined): void {
  if (dev && authorization === undefined) return
  if (apiKey === undefined) {
    if (dev) return
    throw new FlotillaError('FLT_FORBIDDEN', 'the HTTP API is off: start the server with --api-key')
  }
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (given === undefined) {
    throw new FlotillaError('FLT_UNAUTHORIZED', 'the API key is missing: send "Authorization: Bearer <api key>"')
  }
  if (!isSame(given, apiKey)) throw new FlotillaError('FLT_UNAUTHORIZED', 'the API key is wrong')
}

/** Takes the same time wherever two texts differ. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

const FORWARDING_HEADERS = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip']

function isNear(c: Context<Env>): boolean {
  const address = c.env.incoming.socket.remoteAddress
  if (address === undefined || !isLoopback(address)) return false
  return (
    isLoopbackHostHeader(c.req.header('host')) && FORWARDING_HEADERS.every((name) => c.req.header(name) === undefined)
  )
}

/** Whether a page of this origin was served by this host; URL leaves out the default port of both. */
function isOf(origin: string, host: string | undefined): boolean {
  if (!URL.canParse(origin) || !URL.canParse(`http://${host}`)) return false
  const { protocol, host: given } = new URL(origin)
  return given === new URL(`${protocol}//${host}`).host
}
