import { FlotillaError } from '../errors.ts'
import type { MessageContext } from '../modules/contexts.ts'
import { RequestError } from '../modules/request-error.ts'
import type { Connection } from '../sockets/connection.ts'
import { TokenBucket } from '../sockets/token-bucket.ts'
import type { Middleware } from './compose.ts'

/**
 * Answers `FLT_TOO_MANY` to a client that sends more than so many messages a second (five seconds' worth may come at
 * once), to whatever it lies around: a command, a controller, a module. The connection stays; `maxMessagesPerSecond` of
 * the server closes it.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function rateLimit({ perSecond }: { perSecond: number }): Middleware<MessageContext> {
  if (!(Number.isFinite(perSecond) && perSecond > 0))
    throw new FlotillaError('FLT_BAD_OPTION', `rateLimit: perSecond is ${String(perSecond)}: give a number above 0`)
  const buckets = new WeakMap<Connection, TokenBucket>()
  return ({ connection, id }, next) => {
    let bucket = buckets.get(connection)
    if (bucket === undefined) buckets.set(connection, (bucket = new TokenBucket(perSecond)))
    if (bucket.take(performance.now())) return next()
    throw new RequestError('FLT_TOO_MANY', `more than ${perSecond} a second: wait a moment, and send it again`, { id })
  }
}
