import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { createMiddleware } from 'hono/factory'
import { FlotillaError } from '../../index.ts'
import { isFromThisMachine } from '../common/loopback.ts'
import type { ApiKey } from './api-key.ts'

export interface Env {
  Bindings: HttpBindings
}

export interface Access {
  readonly apiKey: ApiKey
  readonly dev: boolean
  readonly networkOf: (request: IncomingMessage) => string
}

/** With --dev, only requests from this machine are served. */
export const onlyThisMachine = createMiddleware<Env>(async (c, next) => {
  if (!isFromThisMachine((name) => c.req.header(name))) {
    throw new FlotillaError('FLT_FORBIDDEN', 'with --dev only this machine is served: ask for localhost')
  }
  await next()
})

/** With --dev the API needs no key, so it must refuse the pages of other sites that the developer visits. */
export const onlyOwnPages = createMiddleware<Env>(async (c, next) => {
  const origin = c.req.header('origin')
  if (origin !== undefined && !isOf(origin, c.req.header('host'))) {
    throw new FlotillaError('FLT_FORBIDDEN', `pages of ${origin} may not use the API`)
  }
  await next()
})

/** @param off the message if the server has no key */
export function requireKey({ apiKey, dev, networkOf }: Access, off: string) {
  return createMiddleware<Env>(async (c, next) => {
    const authorization = c.req.header('authorization')
    const isOpen = dev && (!apiKey.isSet || authorization === undefined)
    if (!isOpen) {
      if (!apiKey.isSet) throw new FlotillaError('FLT_FORBIDDEN', off)
      apiKey.check(keyIn(authorization), networkOf(c.env.incoming))
    }
    await next()
  })
}

function keyIn(authorization: string | undefined): string {
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (given !== undefined) return given
  throw new FlotillaError('FLT_UNAUTHORIZED', 'the API key is missing: send "Authorization: Bearer <api key>"')
}

/** Whether pages of this origin come from this host. URL drops the default port of both. */
function isOf(origin: string, host: string | undefined): boolean {
  if (!URL.canParse(origin) || !URL.canParse(`http://${host}`)) return false
  const { protocol, host: given } = new URL(origin)
  return given === new URL(`${protocol}//${host}`).host
}
