import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  nodesIn,
  readEpoch,
  readMember,
  readNodeList,
  readNodes,
  readRecords,
} from '../../src/drivers/redis/records.ts'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import type { NodeId, Uid } from '../../src/envelope/ids.ts'
import { runs } from '../support/fuzz.ts'

const NODE = 'n-0123456789' as NodeId

/** Random bytes, JSON of another shape, and records that are almost valid. */
const anyValue = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.json({ maxDepth: 3 }),
  fc.array(fc.oneof(fc.integer(), fc.string(), fc.constant(null)), { maxLength: 5 }).map((row) => JSON.stringify(row)),
  fc
    .array(fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 5 }), { maxLength: 3 })
    .map((rows) => JSON.stringify(rows)),
  fc.constantFrom('', ' ', '5', '5 a', '5  a', '-1 a', '1e400 a', '0x10 a', 'a b c', '[', 'null', '{"name":5}'),
)

// Invariant K9: a value that cannot be read is read as nothing.
test('a listed connection is complete, or it is left out', () => {
  const property = fc.property(anyValue, (value) => {
    for (const info of readRecords(value, NODE, 'u' as Uid)) assertInfo(info)
    const member = readMember('c', NODE, value)
    if (member !== undefined) assertInfo(member)
  })
  fc.assert(property, runs(2_000))
})

test('a route can be written into a batch, whatever record it was read from', () => {
  const property = fc.property(anyValue, fc.array(anyValue), fc.nat(), (value, fields, number) => {
    for (const node of [...readNodes(value), ...nodesIn(fields)]) assert.match(node, /-/)
    for (const told of [value, `epoch ${value}`, `${value} ${number}`]) {
      const to = { type: 'users' as const, users: [{ uid: 'u' as Uid, stamp: readEpoch(told).stamp }] }
      const reply = { type: 'control' as const, to, action: { type: 'join' as const, groups: [] } }
      binaryCodec.encode({ publisher: 'p', seq: 1, envelopes: [{ ...reply, replyTo: NODE, correlation: 1 }] })
    }
  })
  fc.assert(property, runs(2_000))
})

test('a node is listed even if its record cannot be read', () => {
  const pairs = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), anyValue), { maxLength: 4 }).map((all) => all.flat())
  const property = fc.property(pairs, pairs, pairs, pairs, (seen, infos, counts, gone) => {
    const { list } = readNodeList([1_700_000_000_000, 1, seen, infos, counts, gone])
    assert.equal(list.live.length, seen.length / 2)
    for (const node of list.live) {
      assert.equal(typeof node.name, 'string')
      assert.ok(node.url === undefined || typeof node.url === 'string')
      assert.ok(
        Number.isFinite(node.startedAt) && Number.isFinite(node.lastSeen) && Number.isFinite(node.connectionCount),
      )
    }
    for (const { reason } of list.gone) assert.ok(['dead', 'closed', 'evicted'].includes(reason))
  })
  fc.assert(property, runs(1_000))
})

function assertInfo(info: { connection: string; uid?: string; since: number; path: string; ip: string }): void {
  assert.deepEqual(
    [typeof info.connection, typeof info.since, typeof info.path, typeof info.ip],
    ['string', 'number', 'string', 'string'],
  )
  assert.ok(info.uid === undefined || typeof info.uid === 'string')
}
