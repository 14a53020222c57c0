import * as fc from 'fast-check'
import type { Recipients, Batch, ControlAction, Envelope } from '../../src/envelope/envelope.ts'
import type { ConnectionId, Group, NodeId, PushId, Uid } from '../../src/envelope/ids.ts'
import { encodePayload, type Payload } from '../../src/envelope/payload.ts'
import type { Except } from '../../src/envelope/target.ts'

/** Ids that could break a store: separators of Flotilla's keys, patterns of the store, line ends, other scripts. */
export const hostileIds: readonly string[] = [
  '#',
  '*',
  ' ',
  '{x}',
  '}{',
  'a:b',
  'a b',
  'line\nend',
  '\0',
  '__proto__',
  'constructor',
  'ü',
  '用户',
  '👩‍👩‍👧',
  'é',
  'x'.repeat(255),
  '字'.repeat(85),
]

// No null prototypes, because `deepEqual` would see a difference.
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true })

const fits = (id: string): boolean => Buffer.byteLength(id) <= 255

/** Any valid uid or group: 1 to 255 bytes of UTF-8. */
export const anyId = fc.oneof(
  fc.stringMatching(/^[a-z0-9]{1,12}$/),
  fc.constantFrom(...hostileIds),
  fc.string({ minLength: 1, maxLength: 60, unit: 'binary' }).filter(fits),
)

export const anyCount = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 1, 127, 128, Number.MAX_SAFE_INTEGER))

const anyBytes = fc.uint8Array({ maxLength: 300 })
export const anyPayload: fc.Arbitrary<Payload> = fc.oneof(
  anyBytes.map(encodePayload),
  fc.string({ unit: 'binary', maxLength: 200 }).map(encodePayload),
  fc.jsonValue().map(encodePayload),
)

const anyConnection = anyId as fc.Arbitrary<ConnectionId>
const anyUid = anyId as fc.Arbitrary<Uid>
const anyGroup = anyId as fc.Arbitrary<Group>
const anyNode = anyId as fc.Arbitrary<NodeId>

const anyRecipients: fc.Arbitrary<Recipients> = fc.oneof(
  record({ type: fc.constant('users' as const), users: fc.array(record({ uid: anyUid, stamp: anyCount })) }),
  record({
    type: fc.constant('groups' as const),
    groups: fc.array(record({ group: anyGroup, stamp: anyCount })),
  }),
  record({ type: fc.constant('connections' as const), connections: fc.array(anyConnection) }),
  fc.constant({ type: 'all' as const }),
)

const anyExcept: fc.Arbitrary<Except> = record({ uids: fc.array(anyUid), connections: fc.array(anyConnection) })

const anyAction: fc.Arbitrary<ControlAction> = fc.oneof(
  record({ type: fc.constant('close' as const), code: fc.integer({ min: 1000, max: 4999 }), reason: fc.string() }),
  record({ type: fc.constantFrom('join' as const, 'leave' as const), groups: fc.array(anyGroup) }),
)

export const anyEnvelope: fc.Arbitrary<Envelope> = fc.oneof(
  record({
    type: fc.constant('push' as const),
    id: anyId as fc.Arbitrary<PushId>,
    to: anyRecipients,
    payload: anyPayload,
    except: fc.option(anyExcept, { nil: undefined }),
    key: fc.option(anyId, { nil: undefined }),
    hops: fc.nat({ max: 300 }),
    resent: fc.boolean(),
  })
    .chain((push) => fc.constantFrom(push, { ...push, named: true as const }))
    .chain((push) =>
      fc.oneof(
        fc.constant(push),
        anyCount.map((broadcast) => ({ ...push, broadcast })),
      ),
    ),
  record({
    type: fc.constant('control' as const),
    to: anyRecipients,
    action: anyAction,
    replyTo: anyNode,
    correlation: anyCount,
  }),
  record({ type: fc.constant('reply' as const), from: anyNode, correlation: anyCount, count: anyCount }),
)

export const anyBatch: fc.Arbitrary<Batch> = record({
  publisher: anyId,
  seq: anyCount,
  envelopes: fc.array(anyEnvelope, { maxLength: 8 }),
})
