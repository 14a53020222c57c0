import type { Ack, Cursor } from '../cursors.ts'
import { MAX_CURSORS } from '../cursors.ts'
import {
  ACKED_MARGIN,
  commonNumber,
  type Keep,
  type KeptMessage,
  type LogExtent,
  type LoggedMessage,
  MAX_LOG_BYTES,
  type Page,
  type PageRequest,
} from '../log.ts'

/** What a message takes besides its texts and its payload, about. */
const OVERHEAD = 100

/** The log of one channel. Nothing in memory is ever lost in part, so it has a single term. */
export class ChannelLog {
  readonly born: string
  #messages: LoggedMessage[] = []
  #first = 1
  #top = 0
  #bytes = 0
  #emptyAt = Number.POSITIVE_INFINITY
  readonly #cursors = new Map<string, { readonly number: number; readonly seenAt: number }>()

  constructor(born: string) {
    this.born = born
  }

  get bytes(): number {
    return this.#bytes
  }

  get top(): number {
    return this.#top
  }

  /** @param since the age, as a time, up to which the message may be here already; undefined if it is new */
  append(message: KeptMessage, keep: Keep, now: number, since: number | undefined): number {
    this.#expire(now)
    const known = since === undefined ? undefined : this.#numberOf(message, since)
    if (known !== undefined) return known
    const logged = { ...message, payload: message.payload.slice(), number: ++this.#top, at: now }
    if (keep.compact === true) this.#compact(message.key)
    this.#messages.push(logged)
    this.#bytes += sizeOf(logged)
    this.#emptyAt = now + keep.for
    this.#trim(keep, now)
    return logged.number
  }

  extent(epoch: string, now: number): LogExtent {
    this.#expire(now)
    return { epoch, terms: [{ name: this.born, begin: 1 }], first: this.#first, top: this.#top }
  }

  page(epoch: string, request: PageRequest, now: number): Page {
    const extent = this.extent(epoch, now)
    return { ...extent, ...pageOf(this.#messages, extent, request) }
  }

  erase(term: string, number: number): boolean {
    if (term !== this.born) return false
    const index = this.#indexOf(number)
    if (this.#messages[index]?.number !== number) return false
    this.#takeOut(index)
    return true
  }

  eraseAll(): void {
    this.#messages = []
    this.#bytes = 0
    this.#cursors.clear()
  }

  /** Trims everything. */
  clear(): void {
    this.#messages = []
    this.#bytes = 0
    this.#first = this.#top + 1
  }

  moveCursor({ device, term, number }: Ack, now: number): void {
    // Invariant L6: a number of a term that the log does not have says nothing here.
    const common = commonNumber({ terms: [{ name: this.born, begin: 1 }], top: this.#top }, term, number)
    if (common === undefined) return
    const stored = this.#cursors.get(device)?.number ?? 0
    this.#cursors.delete(device)
    this.#cursors.set(device, { number: Math.max(stored, common), seenAt: now })
    // The first in the map was not seen for longest.
    for (const longest of this.#cursors.keys()) {
      if (this.#cursors.size <= MAX_CURSORS) break
      this.#cursors.delete(longest)
    }
  }

  cursors(now: number): Cursor[] {
    this.#expire(now)
    return [...this.#cursors].map(([device, { number, seenAt }]) => {
      const unreadCount = this.#messages.length - this.#indexOf(number + 1)
      return { device, number, seenAt, unreadCount }
    })
  }

  #numberOf({ id }: KeptMessage, since: number): number | undefined {
    return this.#messages.findLast((one) => one.id === id && one.at >= since)?.number
  }

  #compact(key: string | undefined): void {
    if (key === undefined) return
    const index = this.#messages.findIndex((one) => one.key === key)
    if (index !== -1) this.#takeOut(index)
  }

  #trim({ last, for: life, untilAcked }: Keep, now: number): void {
    const acked = untilAcked === true ? this.#ackedByAll() - ACKED_MARGIN : 0
    for (;;) {
      const [oldest] = this.#messages
      const { length } = this.#messages
      if (oldest === undefined || length === 1) return
      const isOver = length > last || this.#bytes > MAX_LOG_BYTES || oldest.at < now - life || oldest.number <= acked
      if (!isOver) return
      this.#takeOut(0)
      this.#first = oldest.number + 1
    }
  }

  #ackedByAll(): number {
    const numbers = Array.from(this.#cursors.values(), ({ number }) => number)
    return numbers.length === 0 ? 0 : Math.min(...numbers)
  }

  #expire(now: number): void {
    if (this.#messages.length > 0 && now >= this.#emptyAt) this.clear()
  }

  #takeOut(index: number): void {
    const [message] = this.#messages.splice(index, 1)
    this.#bytes -= sizeOf(message!)
  }

  /** The index of the first message with this number or a larger one. */
  #indexOf(number: number): number {
    const index = this.#messages.findIndex((one) => one.number >= number)
    return index === -1 ? this.#messages.length : index
  }
}

/** What a request finds among messages, and the numbers that the page is about. */
export function pageOf(
  messages: readonly LoggedMessage[],
  { first, top }: Pick<LogExtent, 'first' | 'top'>,
  { from, before, count, bytes }: PageRequest,
): Pick<Page, 'from' | 'to' | 'messages'> {
  const found: LoggedMessage[] = []
  let size = 0
  const hasRoom = ({ payload }: LoggedMessage): boolean => {
    size += payload.length
    return found.length < count && (found.length === 0 || size <= bytes)
  }
  if (before !== undefined) {
    const to = Math.min(before - 1, top)
    for (const message of messages.filter(({ number }) => number <= to).toReversed()) {
      if (!hasRoom(message)) return { from: found.at(-1)!.number, to, messages: found.toReversed() }
      found.push(message)
    }
    return { from: first, to, messages: found.toReversed() }
  }
  const begin = Math.max(from ?? first, first)
  for (const message of messages.filter(({ number }) => number >= begin)) {
    if (!hasRoom(message)) return { from: begin, to: found.at(-1)!.number, messages: found }
    found.push(message)
  }
  return { from: begin, to: top, messages: found }
}

function sizeOf({ id, event, key, except, payload }: LoggedMessage): number {
  const texts = [id, event ?? '', key ?? '', ...(except?.uids ?? []), ...(except?.devices ?? [])]
  return texts.reduce((sum, text) => sum + text.length, OVERHEAD + payload.length)
}
