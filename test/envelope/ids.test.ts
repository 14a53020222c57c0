import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  connectionId,
  incarnationAfter,
  newProcessId,
  nodeId,
  PARTITION_COUNT,
  partitionOf,
  partitionOfConnection,
  processOfConnection,
  processOfNode,
  SEAT_COUNT,
  seatOf,
} from '../../src/envelope/ids.ts'

const anyName = fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}$/)
const anyPartition = fc.nat({ max: PARTITION_COUNT - 1 })

describe('ids', () => {
  it('of processes differ at every start', () => {
    const ids = Array.from({ length: 10_000 }, newProcessId)
    assert.equal(new Set(ids).size, ids.length)
    for (const id of ids) assert.match(id, /^[0-9a-z]{10}$/)
  })

  // Invariant R15: a connection's id names its process, and so outlives an eviction.
  it('of connections name their process and their partition', () => {
    fc.assert(
      fc.property(anyPartition, fc.maxSafeNat(), (partition, sequence) => {
        const process = newProcessId()
        const id = connectionId(process, partition, sequence)
        assert.equal(processOfConnection(id), process)
        assert.equal(partitionOfConnection(id), partition)
      }),
    )
  })

  it('of connections differ if process, partition or sequence differ', () => {
    const process = newProcessId()
    const ids = [0, 1, 15, 16, 255].flatMap((partition) =>
      [0, 1, 35, 36, 1295, 1296].map((sequence) => connectionId(process, partition, sequence)),
    )
    assert.equal(new Set(ids).size, ids.length)
  })

  it('that are not ids of connections have no process or no partition', () => {
    for (const id of ['', 'x', 'abc-', 'abc-zz1', 'abc-0']) {
      const foreign = id as Parameters<typeof processOfConnection>[0]
      assert.ok(processOfConnection(foreign) === undefined || partitionOfConnection(foreign) === undefined, id)
    }
  })

  // Invariant N7: the id of a node is never used twice.
  it('of nodes name the seat of their inbox, and no number is used twice', () => {
    fc.assert(
      fc.property(anyName, fc.array(fc.nat({ max: SEAT_COUNT - 1 })), (name, seats) => {
        const process = newProcessId()
        const numbers = [0]
        for (const seat of seats) {
          const number = incarnationAfter(numbers.at(-1)!, seat)
          assert.ok(number > numbers.at(-1)!)
          assert.equal(seatOf(nodeId(name, process, number)), seat)
          numbers.push(number)
        }
        const next = incarnationAfter(numbers.at(-1)!, undefined)
        assert.equal(next, numbers.at(-1)! + 1)
        const seat = seatOf(nodeId(name, process, next))
        assert.ok(Number.isInteger(seat) && seat >= 0 && seat < SEAT_COUNT)
      }),
    )
  })

  it('of nodes name their process in every incarnation, whatever the name', () => {
    fc.assert(
      fc.property(anyName, fc.integer({ min: 1, max: 5000 }), (name, incarnation) => {
        const process = newProcessId()
        const node = nodeId(name, process, incarnation)
        assert.equal(processOfNode(node), process)
        assert.notEqual(node, nodeId(name, process, incarnation + 1))
      }),
    )
  })
})

describe('partitions', () => {
  const spreads: Record<string, (index: number) => string> = {
    'numbered users': (index) => `user-${index}`,
    numbers: (index) => String(index),
    'padded numbers': (index) => String(index).padStart(12, '0'),
    'mail addresses': (index) => `someone.${index * 7}@example.com`,
    'other scripts': (index) => `用户${index}`,
  }
  for (const [kind, make] of Object.entries(spreads)) {
    it(`share out ${kind} evenly`, () => {
      const counts = Array.from({ length: PARTITION_COUNT }, () => 0)
      const each = 400
      for (let index = 0; index < each * PARTITION_COUNT; index++) {
        const partition = partitionOf(make(index))
        counts[partition] = (counts[partition] ?? 0) + 1
      }
      assert.equal(counts.length, PARTITION_COUNT)
      assert.ok(Math.max(...counts) < each * 1.35, `the fullest has ${Math.max(...counts)} of ${each}`)
      assert.ok(Math.min(...counts) > each * 0.65, `the emptiest has ${Math.min(...counts)} of ${each}`)
    })
  }

  it('are the same for the same key, and are numbers below 256', () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        const partition = partitionOf(key)
        assert.equal(partition, partitionOf(key))
        assert.ok(Number.isInteger(partition) && partition >= 0 && partition < PARTITION_COUNT)
      }),
    )
  })
})
