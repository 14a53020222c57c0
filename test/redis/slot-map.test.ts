import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressBook } from '../../src/drivers/redis/connection/nat-map.ts'
import { SlotMap } from '../../src/drivers/redis/connection/slot-map.ts'

const [A, B, C] = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)]

test('a map of slots is read from what a member says, with names, IPv6 and slots on their way', () => {
  const map = new SlotMap()
  const { masters, hasMoved } = map.read(
    [
      `${A} :7000@17000 myself,master - 0 0 1 connected 0-99 [93->-${B}]`,
      `${B} ::1:7001@17001,b.example master - 0 1 2 connected 100-16382 16383`,
      `${C} 10.0.0.3:7002@17002 slave ${A} 0 1 1 connected`,
      '',
    ].join('\n'),
    '10.0.0.9',
  )
  assert.deepEqual([...masters], ['10.0.0.9:7000', '::1:7001'])
  assert.equal(hasMoved, true)
  assert.deepEqual(
    [0, 93, 99, 100, 16_383].map((slot) => map.masterOf(slot)),
    ['10.0.0.9:7000', '10.0.0.9:7000', '10.0.0.9:7000', '::1:7001', '::1:7001'],
  )
})

test('a master that was replaced while it stood still does not get its slots back by saying so', () => {
  const map = new SlotMap()
  const before = `${A} 10.0.0.1:7000@17000 master - 0 0 1 connected 0-16383`
  map.read(before, '')
  const now = [
    `${A} 10.0.0.1:7000@17000 master,fail - 0 0 1 connected`,
    `${B} 10.0.0.2:7000@17000 master - 0 0 2 connected 0-16383`,
  ].join('\n')
  const { masters, hasMoved } = map.read(now, '')
  assert.deepEqual([[...masters], hasMoved], [['10.0.0.2:7000'], true])
  assert.equal(map.read(before, '').hasMoved, false)
  assert.equal(map.masterOf(7), '10.0.0.2:7000')
})

test('a member has the address that the map of addresses gives it, under its address and under its name', () => {
  const lines = [
    `${A} 10.0.0.1:7000@17000,a.example myself,master - 0 0 1 connected 0-99`,
    `${B} 10.0.0.2:7000@17000,b.example master - 0 1 2 connected 100-199`,
    `${C} 10.0.0.3:7000@17000 master - 0 1 3 connected 200-16383`,
  ].join('\n')
  const book = new AddressBook({ '10.0.0.1:7000': 'outside:1', 'B.example:7000': { host: '::1', port: 2 } })
  for (const [prefersNames, last] of [
    [false, '10.0.0.3:7000'],
    [true, '10.0.0.3:7000'],
  ] as const) {
    const map = new SlotMap(book, { prefersNames })
    assert.deepEqual([...map.read(lines, '').masters], ['outside:1', '::1:2', last])
    const named = ['10.0.0.1:7000', 'a.example:7000', '10.0.0.2:7000', 'b.example:7000', '10.0.0.9:1']
    assert.deepEqual(
      named.map((name) => map.outsideOf(name)),
      ['outside:1', 'outside:1', '::1:2', '::1:2', '10.0.0.9:1'],
    )
  }
  const byName = new SlotMap(undefined, { prefersNames: true })
  byName.read(lines, '')
  assert.deepEqual([byName.masterOf(0), byName.outsideOf('10.0.0.2:7000')], ['a.example:7000', 'b.example:7000'])
})
