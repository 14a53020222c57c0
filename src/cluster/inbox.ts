import { type Entry, isEmpty, type Stop } from '../drivers/entry.ts'
import type { Queue } from '../drivers/queue.ts'
import type { Codec, ControlEnvelope, Envelope, PushEnvelope, ReplyEnvelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import { stampedWith } from '../envelope/stamps.ts'
import { Recent } from '../lib/recent.ts'
import { retry } from '../lib/retry.ts'
import type { Logger } from '../logger.ts'
import { Handover } from '../outbound/handover.ts'
import type { SeenBatches } from './seen-batches.ts'

const RETRY_PAUSE = 100
/** ms, and a number: how long an entry that was taken may still stand in the store, because its ack was lost. */
const REMEMBER_POSITIONS = 60_000
const MAX_POSITIONS = 10_000

/** What a node does with what it is sent. */
export interface Receiver {
  /** A promise where something is left to do before the entry is acked. */
  deliver(push: PushEnvelope, handover: Handover): Promise<void> | undefined
  /** Calls back once the connections have taken it, or are not waited for any more. */
  whenTaken(handover: Handover, done: () => void): void
  obey(control: ControlEnvelope): Promise<void>
  answered(reply: ReplyEnvelope): void
  /** Whether nobody else can own this inbox by now. */
  readonly hasLease: boolean
  /** Asks, where that is not sure. False where another may own this inbox: then nothing of it may be delivered. */
  confirmLease(): Promise<boolean>
  onError(error: unknown): void
}

/** Where the entries come from, and where they are acked. */
interface Source {
  readonly consume: (handler: (entries: readonly Entry[]) => Promise<void>) => Stop
  readonly ack: (position: string) => void
  readonly setAside: (entry: Entry, reason: string) => Promise<void>
  /** Told that all that is still to come was appended at this time or later: see `Entry.at`. */
  readonly reachedTime?: (at: number) => void
}

/** The source of what is for this node alone. */
export function inboxOf(queue: Queue, node: NodeId, reachedTime: (at: number) => void): Source {
  return {
    reachedTime,
    consume: (handler) => queue.consume(node, handler),
    ack: (position) => queue.ack(node, position),
    setAside: (entry, reason) => queue.setAside(node, entry, reason),
  }
}

/** The source of what is for everyone. */
export function broadcastsTo(queue: Queue, node: NodeId): Source {
  return {
    consume: (handler) => queue.consumeAll(node, handler),
    ack: (position) => queue.ackAll(node, position),
    setAside: (entry, reason) => queue.setAside(node, entry, reason),
  }
}

/**
 * Works off one stream of entries: in order, each batch once, and without waiting for anybody. An entry is acked when everything in it, and before it, is done, and the
 * kernel has it. A source may read again what was not acked: that is neither delivered nor counted on twice.
 */
export class Inbox {
  readonly #source: Source
  readonly #codec: Codec
  readonly #receiver: Receiver
  readonly #logger: Logger
  readonly #seenBatches: SeenBatches
  readonly #stop: Stop
  /** Entries that are not acked yet, oldest first. */
  readonly #open: { readonly position: string; isDone: boolean }[] = []
  #lastOffset: number
  readonly #taken = new Recent(REMEMBER_POSITIONS, MAX_POSITIONS)
  #poisonedCount = 0
  /** Another may own it: this node has joined again, or is about to, and reads on in an inbox of its new id. */
  #isLost = false
  #closed = false

  /** @param from the offset of the entry that it begins behind */
  constructor(source: Source, seenBatches: SeenBatches, { codec, receiver, logger }: InboxSettings, from = 0) {
    this.#lastOffset = from
    this.#source = source
    this.#seenBatches = seenBatches
    this.#codec = codec
    this.#receiver = receiver
    this.#logger = logger
    this.#stop = source.consume((entries) => this.#workOff(entries))
  }

  get poisonedCount(): number {
    return this.#poisonedCount
  }

  /** The offset of the newest entry that was read. */
  get lastOffset(): number {
    return this.#lastOffset
  }

  close(): Promise<void> {
    this.#closed = true
    return this.#stop()
  }

  async #workOff(entries: readonly Entry[]): Promise<void> {
    if (this.#isLost) return
    // Invariant N8: after a pause another may have this inbox, and have sent on what it holds.
    if (!this.#receiver.hasLease && !(await this.#confirmLease())) {
      // What was just left out comes to the next inbox: it must not be overtaken by what this one would read next.
      this.#isLost = true
      return
    }
    const [first] = entries
    if (first !== undefined) this.#source.reachedTime?.(first.at)
    for (const entry of entries) {
      this.#take(entry)
      if (entry.isReplay !== true) this.#lastOffset = entry.offset
    }
  }

  /** Asks until there is an answer: entries that were read but neither delivered nor refused would be lost. */
  async #confirmLease(): Promise<boolean> {
    const receiver = this.#receiver
    const answer = await retry(() => receiver.confirmLease(), {
      pause: RETRY_PAUSE,
      isOver: () => this.#closed,
      onFailure: (error) => receiver.onError(error),
    })
    return answer ?? false
  }

  #take(entry: Entry): void {
    if (entry.isReplay === true) return this.#takeReplay(entry)
    const { position } = entry
    const envelopes = this.#decode(entry)
    if (envelopes === 'known') {
      // Those that are open stand behind it, or are it: their acks cover it.
      if (this.#open.length === 0) this.#source.ack(position)
      return
    }
    this.#taken.add(position)
    const open = { position, isDone: false }
    this.#open.push(open)
    const handover = new Handover(entry.offset)
    const tasks: Promise<void>[] = []
    if (envelopes instanceof Promise) tasks.push(envelopes)
    else for (const envelope of envelopes) this.#handle(envelope, handover, tasks)
    const done = (): void => {
      open.isDone = true
      this.#ackDone()
    }
    const handed = (): void => this.#receiver.whenTaken(handover, done)
    if (tasks.length === 0) handed()
    else void Promise.allSettled(tasks).then(handed)
  }

  /** It is not acked, and nobody waits for it: what comes after it is, once it has been read to its end. */
  #takeReplay(entry: Entry): void {
    const handover = new Handover(entry.offset)
    for (const envelope of this.#decodeReplay(entry)) this.#handle({ ...envelope, resent: true }, handover, [])
  }

  #decodeReplay({ bytes }: Entry): readonly PushEnvelope[] {
    try {
      return this.#codec.decode(bytes).envelopes.filter((envelope) => envelope.type === 'push')
    } catch {
      // It was set aside when it came first.
      return []
    }
  }

  /**
   * `known` where it was taken before at this very position, and is read again. One that was appended twice has nothing
   * left to deliver, and its place: behind its first copy.
   */
  #decode(entry: Entry): readonly Envelope[] | Promise<void> | 'known' {
    if (isEmpty(entry)) return this.#taken.has(entry.position) ? 'known' : []
    try {
      const { publisher, seq, envelopes } = this.#codec.decode(entry.bytes)
      if (this.#seenBatches.isNew(publisher, seq)) return stampedWith(entry.stamp, envelopes)
      return this.#taken.has(entry.position) ? 'known' : []
    } catch (error) {
      return this.#taken.has(entry.position) ? 'known' : this.#setAside(entry, error)
    }
  }

  async #setAside(entry: Entry, error: unknown): Promise<void> {
    // Invariant B10: one bad entry must not stop the rest.
    this.#poisonedCount++
    this.#logger.error({ position: entry.position, error }, 'an entry of the inbox is not ours and was set aside')
    this.#receiver.onError(error)
    await this.#source.setAside(entry, String(error)).catch(this.#receiver.onError)
  }

  /** Adds to `tasks` what has to end before the entry is acked; usually nothing. */
  #handle(envelope: Envelope, handover: Handover, tasks: Promise<void>[]): void {
    switch (envelope.type) {
      case 'push': {
        const task = this.#receiver.deliver(envelope, handover)
        if (task !== undefined) tasks.push(this.#guard(task))
        return
      }
      case 'control':
        tasks.push(this.#guard(this.#receiver.obey(envelope)))
        return
      case 'reply':
        this.#receiver.answered(envelope)
        return
      default:
        throw envelope satisfies never
    }
  }

  async #guard(task: Promise<void>): Promise<void> {
    try {
      await task
    } catch (error) {
      this.#receiver.onError(error)
    }
  }

  #ackDone(): void {
    let last: string | undefined
    // Invariant B5: an ack covers all that stands before it, so that has to be done too.
    while (this.#open[0]?.isDone === true) last = this.#open.shift()!.position
    if (last !== undefined) this.#source.ack(last)
  }
}

export interface InboxSettings {
  readonly codec: Codec
  readonly receiver: Receiver
  readonly logger: Logger
}
