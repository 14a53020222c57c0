import type { Connection } from '../api.ts'
import { FlotillaError } from '../errors.ts'
import { networkOf } from '../lib/addresses.ts'
import { checkNames } from '../lib/checked-names.ts'
import { KeyedBuckets } from '../lib/keyed-buckets.ts'
import { shown } from '../lib/shown.ts'
import { BURST } from '../lib/token-bucket.ts'
import type { Middleware } from '../modules/compose.ts'
import type { MessageContext } from '../modules/contexts.ts'
import { RequestError } from '../wire/request-error.ts'

export interface RateLimitOptions {
  /** How many messages a user may send each second in the long run. */
  perSecond: number
  /** How many messages may come at once. The default is five seconds' worth, at least one. */
  burst?: number | undefined
}

/**
 * Answers `FLT_TOO_MANY` to a user who sends more than `perSecond` messages a second to the command, controller or
 * module that it protects. The connection stays open. The server's `maxMessagesPerSecond` closes it instead.
 *
 * All connections of a user to this process share one limit, and so do the user's later connections. Connections
 * without a uid share the limit of their address, or of its /64 network with IPv6. Over a Unix socket, which has no
 * address, each connection has its own limit. Each node counts only the messages that it receives.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function rateLimit(options: RateLimitOptions): Middleware<MessageContext> {
  checkNames('rateLimit', options, ['perSecond', 'burst'])
  const { perSecond } = options
  if (!(Number.isFinite(perSecond) && perSecond > 0))
    throw badOption(`perSecond is ${shown(perSecond)}, but must be a number above 0`)
  const { burst = Math.max(1, perSecond * BURST) } = options
  if (!(Number.isFinite(burst) && burst >= 1))
    throw badOption(`burst is ${shown(burst)}, but must be a number of at least 1`)
  const [users, strangers] = [new KeyedBuckets(perSecond, burst), new KeyedBuckets(perSecond, burst)]
  return ({ connection, uid, id }, next) => {
    const now = performance.now()
    const isWithin = uid === undefined ? strangers.take(originOf(connection), now) : users.take(uid, now)
    if (isWithin) return next()
    throw new RequestError(
      'FLT_TOO_MANY',
      `more than ${perSecond} messages a second: wait a moment, then send it again`,
      { id },
    )
  }
}

function originOf({ id, meta }: Connection): string {
  return meta.ip === '' ? id : networkOf(meta.ip)
}

function badOption(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `rateLimit: ${message}`)
}
