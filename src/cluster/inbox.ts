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
/** ms for which positions are remembered: an entry whose ack was lost may be read again that long. */
const REMEMBER_POSITIONS = 60_000
/** At most so many positions are remembered. */
const MAX_POSITIONS = 10_000

/** Handles the envelopes that a node is sent. */
export interface Receiver {
  /** Called for each push. Returns a promise if something remains to be done before the entry may be acked. */
  deliver(push: PushEnvelope, handover: Handover): Promise<void> | undefined
  /** Calls `done` once the connections have taken the handover, or are no longer waited for. */
  whenTaken(handover: Handover, done: () => void): void
  /** Called for each control; the entry is acked once it resolves. */
  obey(control: ControlEnvelope): Promise<void>
  /** Called for each reply. */
  answered(reply: ReplyEnvelope): void
  /** Whether this node surely has its lease, so that no other node can own this inbox. */
  readonly hasLease: boolean
  /** Asks the store if that is not sure. If false, another node may own this inbox: nothing of it may be delivered. */
  confirmLease(): Promise<boolean>
  /** Called for an entry that cannot be decoded, and if a push or a control fails. */
  onError(error: unknown): void
}

/** The stream that entries are read from and acked in. */
interface Source {
  readonly consume: (handler: (entries: readonly Entry[]) => Promise<void>) => Stop
  readonly ack: (position: string) => void
  readonly setAside: (entry: Entry, reason: string) => Promise<void>
  /** Called before entries are handled: everything still to come was appended at this time or later, see `Entry.at`. */
  readonly reachedTime?: (at: number) => void
}

/** The inbox of one node. */
export function inboxOf(queue: Queue, node: NodeId, reachedTime: (at: number) => void): Source {
  return {
    reachedTime,
    consume: (handler) => queue.consume(node, handler),
    ack: (position) => queue.ack(node, position),
    setAside: (entry, reason) => queue.setAside(node, entry, reason),
  }
}

/** The stream of broadcasts, as one node reads it. */
export function broadcastsTo(queue: Queue, node: NodeId): Source {
  return {
    consume: (handler) => queue.consumeAll(node, handler),
    ack: (position) => queue.ackAll(node, position),
    setAside: (entry, reason) => queue.setAside(node, entry, reason),
  }
}

/**
 * Handles one stream of entries: in order, each batch once, and without waiting for any connection. An entry is acked
 * once everything in it and before it is done, and the kernel has taken it or is no longer waited for. A source may
 * hand out an unacked entry again: it is neither delivered nor waited for twice.
 */
export class Inbox {
  readonly #source: Source
  readonly #codec: Codec
  readonly #receiver: Receiver
  readonly #logger: Logger
  readonly #seenBatches: SeenBatches
  readonly #stop: Stop
  /** The entries that are not acked yet, oldest first. */
  readonly #open: { readonly position: string; isDone: boolean }[] = []
  #lastOffset: number
  readonly #taken = new Recent(REMEMBER_POSITIONS, MAX_POSITIONS)
  #poisonedCount = 0
  /** Another node may own this inbox. This node joins again and reads on in the inbox of its new id. */
  #isLost = false
  #closed = false

  /** @param startOffset the offset of the entry after which reading begins */
  constructor(source: Source, seenBatches: SeenBatches, { codec, receiver, logger }: InboxSettings, startOffset = 0) {
    this.#lastOffset = startOffset
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
      // The entries skipped here are taken over and come again; what this inbox would read next must not overtake them.
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

  /** Asks until the store answers, because entries that were read but neither delivered nor given up would be lost. */
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
      // If entries are open, one of them is this entry or comes after it: its ack covers this one.
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

  /** A replayed entry is not acked, and nobody waits for it. The empty entry after it is acked like any other. */
  #takeReplay(entry: Entry): void {
    const handover = new Handover(entry.offset)
    for (const envelope of this.#decodeReplay(entry)) this.#handle({ ...envelope, resent: true }, handover, [])
  }

  #decodeReplay({ bytes }: Entry): readonly PushEnvelope[] {
    try {
      return this.#codec.decode(bytes).envelopes.filter((envelope) => envelope.type === 'push')
    } catch {
      // The entry was set aside when it was read the first time.
      return []
    }
  }

  /**
   * `known` if the entry was handled before at this very position and is now read again. A batch that was appended
   * twice has a position of its own but nothing to deliver: its second entry is acked in its turn.
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
    this.#logger.error(
      { position: entry.position, error },
      'an entry of the inbox could not be decoded and was set aside',
    )
    this.#receiver.onError(error)
    await this.#source.setAside(entry, String(error)).catch(this.#receiver.onError)
  }

  /** Adds to `tasks` what must end before the entry may be acked; usually nothing. */
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
