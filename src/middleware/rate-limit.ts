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
  /** Messages that a user may send each second, for as long as it likes. */
  perSecond: number
  /** Messages that may come at once. Default five seconds' worth, at least one. */
  burst?: number
}

/**
 * Answers `FLT_TOO_MANY` to who sends more than so many messages a second, to whatever it lies around: a command, a
 * controller, a module. The connection stays; `maxMessagesPerSecond` of the server closes it.
 *
 * All connections of a user in this process count together, and those that follow them. Who has no uid counts with all
 * others of the same address, or /64 network of IPv6; over a Unix socket, which tells no address, each connection for
 * itself. Each node counts what it gets.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function rateLimit(options: RateLimitOptions): Middleware<MessageContext> {
  checkNames('rateLimit', options, ['perSecond', 'burst'])
  const { perSecond } = options
  if (!(Number.isFinite(perSecond) && perSecond > 0))
    throw badOption(`perSecond is ${shown(perSecond)}: give a number above 0`)
  const { burst = Math.max(1, perSecond * BURST) } = options
  if (!(Number.isFinite(burst) && burst >= 1)) throw badOption(`burst is ${shown(burst)}: give a number from 1`)
  const [users, strangers] = [new KeyedBuckets(perSecond, burst), new KeyedBuckets(perSecond, burst)]
  return ({ connection, uid, id }, next) => {
    const now = performance.now()
    const isWithin = uid === undefined ? strangers.take(originOf(connection), now) : users.take(uid, now)
    if (isWithin) return next()
    throw new RequestError('FLT_TOO_MANY', `more than ${perSecond} a second: wait a moment, and send it again`, { id })
  }
}

function originOf({ id, meta }: Connection): string {
  return meta.ip === '' ? id : networkOf(meta.ip)
}

function badOption(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `rateLimit: ${message}`)
}
