import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inbox } from '../../src/cluster/inbox.ts'
import { SeenBatches } from '../../src/cluster/seen-batches.ts'
import type { Entry } from '../../src/drivers/entry.ts'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import type { PushEnvelope } from '../../src/envelope/envelope.ts'
import type { PushId } from '../../src/envelope/ids.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { silent } from '../../src/logger.ts'
import type { Handover } from '../../src/outbound/handover.ts'

function entry(position: number, seq: number): Entry {
  const push: PushEnvelope = {
    type: 'push',
    id: `p${seq}` as PushId,
    to: { type: 'all' },
    payload: encodePayload('x'),
    hops: 0,
    resent: false,
  }
  const bytes = binaryCodec.encode({ publisher: 'p', seq, envelopes: [push] })
  return { position: String(position), bytes, offset: position, at: position }
}

/** An inbox to which the tests hand entries, in any order and as often as a store might. */
class Stage {
  readonly acked: string[] = []
  readonly delivered: string[] = []
  /** The deliveries, and the times that were reached, in the order in which they came. */
  readonly events: (string | number)[] = []
  /** By push: the task that remains once the push was handed out. */
  readonly tasks = new Map<string, Promise<void>>()
  readonly asideCount = (): number => this.#inbox.poisonedCount
  /** By push: the handover that its connections have yet to take. */
  readonly #lagging = new Map<string, Handover>()
  readonly #inbox: Inbox
  #handle!: (entries: readonly Entry[]) => Promise<void>

  constructor(...lagging: string[]) {
    const source = {
      consume: (handler: (entries: readonly Entry[]) => Promise<void>) => {
        this.#handle = handler
        return async () => {}
      },
      ack: (position: string) => void this.acked.push(position),
      setAside: async () => {},
      reachedTime: (at: number) => void this.events.push(at),
    }
    const receiver = {
      hasLease: true,
      confirmLease: async () => true,
      deliver: ({ id }: PushEnvelope, handover: Handover) => {
        this.delivered.push(id)
        this.events.push(id)
        if (lagging.includes(id)) {
          handover.hold()
          this.#lagging.set(id, handover)
        }
        return this.tasks.get(id)
      },
      whenTaken: (handover: Handover, done: () => void) => handover.whenFree(done),
      obey: async () => {},
      answered: () => {},
      onError: () => {},
    }
    this.#inbox = new Inbox(source, new SeenBatches(), { codec: binaryCodec, receiver, logger: silent })
  }

  read(...entries: readonly Entry[]): Promise<void> {
    return this.#handle(entries)
  }

  taken(id: string): void {
    this.#lagging.get(id)!.release()
  }
}

// Invariant B5: an entry is acked once everything in it, and before it, is done.
test('an entry is acked once it was taken and no entry before it is open', async () => {
  const stage = new Stage('p1')
  await stage.read(entry(1, 1), entry(2, 2))
  assert.deepEqual([stage.delivered, stage.acked], [['p1', 'p2'], []])
  stage.taken('p1')
  assert.deepEqual(stage.acked, ['2'])
})

test('an open entry that is read again is not delivered again, nor acked before it was taken', async () => {
  const stage = new Stage('p2')
  await stage.read(entry(1, 1), entry(2, 2), entry(3, 3))
  assert.deepEqual(stage.acked, ['1'])
  await stage.read(entry(1, 1), entry(2, 2), entry(3, 3), entry(4, 4))
  assert.deepEqual([stage.delivered, stage.acked], [['p1', 'p2', 'p3', 'p4'], ['1']])
  stage.taken('p2')
  assert.deepEqual(stage.acked, ['1', '4'])
})

test('the time that the entries have reached is told before any of them is handed out', async () => {
  const stage = new Stage()
  await stage.read(entry(1, 1), entry(2, 2))
  await stage.read(entry(3, 3))
  assert.deepEqual(stage.events, [1, 'p1', 'p2', 3, 'p3'])
})

test('an entry that is read again because its ack was lost is acked again', async () => {
  const stage = new Stage()
  await stage.read(entry(1, 1), entry(2, 2))
  await stage.read(entry(1, 1), entry(2, 2))
  assert.deepEqual([stage.delivered, stage.acked.at(-1)], [['p1', 'p2'], '2'])
})

// Invariant B4: a reader knows a batch that was appended twice by its number.
test('a batch that was appended twice is delivered once, and its second entry is acked with the first', async () => {
  const stage = new Stage('p1')
  await stage.read(entry(1, 1), entry(2, 1))
  assert.deepEqual([stage.delivered, stage.acked], [['p1'], []])
  stage.taken('p1')
  assert.deepEqual(stage.acked, ['2'])
  await stage.read(entry(3, 1))
  assert.deepEqual([stage.delivered, stage.acked], [['p1'], ['2', '3']])
})

test('a poisoned entry that is read again is counted once', async () => {
  const stage = new Stage()
  const poison = { position: '1', bytes: Buffer.from('no envelope'), offset: 1, at: 1 }
  await stage.read(poison)
  await stage.read(poison, entry(2, 1))
  assert.deepEqual([stage.asideCount(), stage.delivered], [1, ['p1']])
})

test('a push that the store does not take now delays acks, but not the delivery of later entries', async () => {
  const stage = new Stage()
  const never = new Promise<void>(() => {})
  for (const id of ['p1', 'p2']) stage.tasks.set(id, never)
  await stage.read(entry(1, 1), entry(2, 2), entry(3, 3))
  await stage.read(entry(4, 4))
  assert.deepEqual([stage.delivered, stage.acked], [['p1', 'p2', 'p3', 'p4'], []])
})
