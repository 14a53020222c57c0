// Logs: what channels keep. test/contracts/log.ts checks every MUST and MUST NOT of this contract.
import type { PushId } from '../envelope/ids.ts'
import type { LoneTarget, Route } from './routes.ts'

/** A user's mailbox, a group, or everyone. */
export type Channel = LoneTarget | { readonly type: 'all' }

/** How much a log keeps. Whatever is beyond that goes with the next append, the oldest first. */
export interface Keep {
  /** How many messages. */
  readonly last: number
  /** For how long, in ms. A log to which nothing is appended for as long MUST lose all its messages. */
  readonly for: number
  /** Whether a message takes away the older one that bears the same key. */
  readonly compact?: boolean
  /** Whether messages go once every device has acked them, except the last `ACKED_MARGIN` of those. */
  readonly untilAcked?: boolean
}

/** How many bytes the messages of one log may have together, headers and all. A single one may have more. */
export const MAX_LOG_BYTES = 2 ** 20
/** How many messages that every device has acked stay all the same, because two tabs of a device need not agree. */
export const ACKED_MARGIN = 100
/** How many terms of a log are known. */
export const MAX_TERMS = 8

/** What a push leaves in the log of its channel. */
export interface KeptMessage {
  readonly id: PushId
  /** The name of the event, if the push bears one. */
  readonly event?: string | undefined
  /** The subject of the message, see `Keep.compact`. */
  readonly key?: string | undefined
  /** Who gets only the number. */
  readonly except?: KeptExcept | undefined
  /** The log never looks into it. */
  readonly payload: Uint8Array
}

export interface KeptExcept {
  readonly uids: readonly string[]
  readonly devices: readonly string[]
}

/** A kept message as it stands in its log. */
export interface LoggedMessage extends KeptMessage {
  readonly number: number
  /** When it was appended: ms since 1970 by the store's clock. */
  readonly at: number
}

/**
 * The appends that one history of the store has taken. Another server that takes over may lack the last appends, and
 * uses their numbers again: only the term tells which ones somebody has read.
 */
export interface Term {
  readonly name: string
  /** The first number of the term. */
  readonly begin: number
}

/** The history in which a number means something. */
export interface Era {
  /**
   * The birth of the log. A log that was lost and begins again MUST have another one. As long as nothing was appended
   * to a channel it is the beginning of the epoch that its log will have, unless the store loses data meanwhile.
   */
  readonly epoch: string
  /** The name of the last term; empty if nothing was appended yet. */
  readonly term: string
}

/** Where somebody stands in a log. The number may be that of an earlier term. */
export interface LogPosition extends Era {
  readonly number: number
}

export interface Append {
  readonly channel: Channel
  readonly keep: Keep
  readonly message: KeptMessage
  /**
   * How long ago this message was first tried to be appended, in ms, if it may be in the log already. Within one call,
   * a driver that sends the append again MUST look for it by itself.
   */
  readonly triedAgo?: number | undefined
}

/** What became of an append. */
export interface Appended extends LogPosition {
  /** The number of the message before it in this channel, whether or not that is still there; 0 for the first. */
  readonly previous: number
  /** The channel's route in the same step: whoever is bound later finds the message in the log. */
  readonly route: Route
}

/** What is known of a log besides its messages. */
export interface LogExtent {
  readonly epoch: string
  /** The last `MAX_TERMS` terms, oldest first. None if nothing was appended yet. */
  readonly terms: readonly Term[]
  /**
   * A number from here to `top` belongs to a message, or to an empty place: a message that was erased, or whose key a
   * newer one bears. Messages with smaller numbers were trimmed.
   */
  readonly first: number
  /** The number that was given last; 0 if none was. */
  readonly top: number
}

/** A part of a log, at most `count` messages, and at most `bytes` of payload unless one message has more. */
export interface PageRequest {
  /** `from`: the oldest messages with this number or a larger one. `before`: the newest ones with a smaller number. */
  readonly from?: number
  readonly before?: number
  readonly count: number
  readonly bytes: number
}

/** Messages, oldest first, and the numbers that this page is about: those without a message are empty places. */
export interface Page extends LogExtent {
  readonly from: number
  readonly to: number
  readonly messages: readonly LoggedMessage[]
}

/** The logs of some kinds of channels: State has those of users and groups, Queue has that of everyone. */
export interface Log {
  /**
   * Appends messages, each to one channel, in order, and reads the route of that channel in the same step: State's as
   * `locate` answers it, Queue's as the nodes that read broadcasts, without a stamp. It MUST NOT matter whether
   * anybody is there. Numbers grow by one, and MUST NOT begin again as long as the epoch stands, whatever was trimmed
   * or erased. A message that is in the log already and may be (see `triedAgo`) MUST keep its number.
   *
   * The append MUST trim the log to what `Keep` allows, but never take the new message away. After a loss of the store
   * a log MAY lack its last messages: then the next append MUST begin a term. If the call rejects, messages MAY be
   * appended in part.
   */
  append(appends: readonly Append[]): Promise<readonly Appended[]>

  /** Reads a page in one round trip. A page that does not reach `top` MUST have a message. */
  readLog(channel: Channel, page: PageRequest): Promise<Page>

  /** In one round trip, however many channels. */
  extents(channels: readonly Channel[]): Promise<readonly LogExtent[]>

  /**
   * Makes the message at a position an empty place, and resolves to whether it was there. A position that does not
   * belong to the log's history MUST erase nothing.
   */
  erase(channel: Channel, position: LogPosition): Promise<boolean>

  /** Erases all messages and cursors of a channel. Its numbers and terms MUST stay. */
  eraseAll(channel: Channel): Promise<void>
}

/** Which term a log is in. */
export const lastTermOf = ({ terms }: LogExtent): string => terms.at(-1)?.name ?? ''

/**
 * The largest number at or below `number` that a position of this term and the log have in common; undefined if the
 * log does not know the term.
 */
export function commonNumber(
  { terms, top }: Pick<LogExtent, 'terms' | 'top'>,
  term: string,
  number: number,
): number | undefined {
  const index = terms.findIndex(({ name }) => name === term)
  if (index === -1) return undefined
  const next = terms[index + 1]
  return Math.min(number, next === undefined ? top : next.begin - 1)
}
