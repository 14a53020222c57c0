import type { Entry, Queue, Stop } from '../drivers/queue.ts'
import type { Logger } from '../logger.ts'
import type { Codec, ControlEnvelope, Envelope, PushEnvelope, ReplyEnvelope } from '../protocol/envelope.ts'
import { hashOf, type NodeId } from '../protocol/ids.ts'
import type { Afterwork } from './deliverer.ts'
import type { Sequences } from './sequences.ts'

const RETRY_PAUSE = 100

/** What a node does with what it is sent. */
export interface Receiver {
  deliver(push: PushEnvelope): Afterwork
  obey(control: ControlEnvelope): Promise<void>
  answered(reply: ReplyEnvelope): void
  /** False where another may own this inbox by now: then nothing of it may be delivered. */
  confirm(): Promise<boolean>
  onError(error: unknown): void
}

/** Where the entries come from, and where they are acked. */
interface Source {
  readonly consume: (handler: (entries: readonly Entry[]) => Promise<void>) => Stop
  readonly ack: (position: string) => void
  readonly setAside: (entry: Entry, reason: string) => Promise<void>
}

/** The source of what is for this node alone. */
export function inboxOf(queue: Queue, node: NodeId): Source {
  return {
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
 * Works off one stream of entries: in order, each batch once. It is split into lanes by user, so that a wait for one
 * user holds back only those who share the lane. An entry is acked when everything in it, and before it, is done.
 */
export class Inbox {
  readonly #source: Source
  readonly #codec: Codec
  readonly #receiver: Receiver
  readonly #logger: Logger
  readonly #sequences: Sequences
  readonly #lanes: (Promise<void> | undefined)[]
  readonly #stop: Stop
  /** Entries that are not acked yet, oldest first. */
  readonly #open: { readonly position: string; isDone: boolean }[] = []
  #poisonedCount = 0
  #closed = false

  constructor(source: Source, sequences: Sequences, { codec, consumers, receiver, logger }: InboxSettings) {
    this.#source = source
    this.#sequences = sequences
    this.#codec = codec
    this.#receiver = receiver
    this.#logger = logger
    this.#lanes = Array.from({ length: consumers }, () => undefined)
    this.#stop = source.consume((entries) => this.#workOff(entries))
  }

  get poisonedCount(): number {
    return this.#poisonedCount
  }

  close(): Promise<void> {
    this.#closed = true
    return this.#stop()
  }

  async #workOff(entries: readonly Entry[]): Promise<void> {
    if (!(await this.#confirm())) return
    for (const entry of entries) this.#take(entry)
    for (const lane of this.#lanes) await lane
  }

  /** Asks until there is an answer: entries that were read but neither delivered nor refused would be lost. */
  async #confirm(): Promise<boolean> {
    while (!this.#closed) {
      try {
        return await this.#receiver.confirm()
      } catch (error) {
        this.#receiver.onError(error)
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE))
      }
    }
    return false
  }

  #take(entry: Entry): void {
    const open = { position: entry.position, isDone: false }
    this.#open.push(open)
    const works = this.#process(entry)
    const done = (): void => {
      open.isDone = true
      this.#ackDone()
    }
    if (works.length === 0) done()
    else void Promise.allSettled(works).then(done)
  }

  /** Everything that has to end before the entry is acked; usually nothing. */
  #process(entry: Entry): Promise<void>[] {
    const envelopes = this.#decode(entry)
    if (envelopes instanceof Promise) return [envelopes]
    return envelopes.flatMap((envelope) => this.#handle(envelope))
  }

  #decode(entry: Entry): readonly Envelope[] | Promise<void> {
    try {
      const { publisher, seq, envelopes } = this.#codec.decode(entry.bytes)
      return this.#sequences.isNew(publisher, seq) ? envelopes : []
    } catch (error) {
      return this.#setAside(entry, error)
    }
  }

  async #setAside(entry: Entry, error: unknown): Promise<void> {
    this.#poisonedCount++
    this.#logger.error({ position: entry.position, error }, 'an entry of the inbox is not ours and was set aside')
    this.#receiver.onError(error)
    await this.#source.setAside(entry, String(error)).catch(this.#receiver.onError)
  }

  #handle(envelope: Envelope): Promise<void>[] {
    switch (envelope.type) {
      case 'push':
        return this.#split(envelope).flatMap(({ lane, push }) => this.#run(lane, push))
      case 'control':
        return [this.#guard(this.#receiver.obey(envelope))]
      case 'reply':
        this.#receiver.answered(envelope)
        return []
      default:
        throw envelope satisfies never
    }
  }

  /** A push for several users goes through the lane of each. */
  #split(push: PushEnvelope): { lane: number; push: PushEnvelope }[] {
    const { to } = push
    if (this.#lanes.length === 1) return [{ lane: 0, push }]
    // What is not for users keeps to one lane: two lists of groups may share one.
    if (to.type !== 'users') return [{ lane: 0, push }]
    return this.#lanes.flatMap((_, lane) => {
      const users = to.users.filter(({ uid }) => hashOf(uid) % this.#lanes.length === lane)
      return users.length === 0 ? [] : [{ lane, push: { ...push, to: { type: 'users' as const, users } } }]
    })
  }

  /** Delivers once the lane is free; returns what has to end before the entry is acked. */
  #run(lane: number, push: PushEnvelope): Promise<void>[] {
    const before = this.#lanes[lane]
    if (before !== undefined)
      return [
        this.#occupy(
          lane,
          before.then(() => this.#deliverLate(push)),
        ),
      ]
    const { absent, left } = this.#receiver.deliver(push)
    const works: Promise<void>[] = []
    if (absent !== undefined) works.push(this.#occupy(lane, absent))
    if (left !== undefined) works.push(this.#guard(left))
    return works
  }

  async #deliverLate(push: PushEnvelope): Promise<void> {
    const { absent, left } = this.#receiver.deliver(push)
    await Promise.all([absent, left])
  }

  #occupy(lane: number, work: Promise<void>): Promise<void> {
    const guarded = this.#guard(work)
    this.#lanes[lane] = guarded
    void guarded.then(() => {
      if (this.#lanes[lane] === guarded) this.#lanes[lane] = undefined
    })
    return guarded
  }

  async #guard(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      this.#receiver.onError(error)
    }
  }

  #ackDone(): void {
    let last: string | undefined
    while (this.#open[0]?.isDone === true) last = this.#open.shift()!.position
    if (last !== undefined) this.#source.ack(last)
  }
}

export interface InboxSettings {
  readonly codec: Codec
  readonly consumers: number
  readonly receiver: Receiver
  readonly logger: Logger
}
