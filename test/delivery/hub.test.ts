import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hub } from '../../src/delivery/hub.ts'
import type { Group, Uid } from '../../src/envelope/ids.ts'
import { bound, newConnection } from '../support/bound-connection.ts'

// Invariant R12: a control touches only connections that were bound at or before its lookup.
test('a control is for connections that were bound up to its lookup, and not for a binding without a stamp', () => {
  const hub = new Hub()
  const connection = newConnection()
  hub.add(connection)
  hub.setUid(connection, 'u' as Uid)
  const selectedAt = (stamp: number): unknown => hub.select({ type: 'users', users: [{ uid: 'u' as Uid, stamp }] })
  assert.deepEqual(selectedAt(Number.MAX_SAFE_INTEGER), new Set())
  connection.stampUid(20)
  assert.deepEqual([selectedAt(19), selectedAt(20)], [new Set(), new Set([connection])])
})

test('nothing of a connection stays in the indexes once it has closed', () => {
  const hub = new Hub()
  const connection = bound(hub, 'u', 10)
  hub.join(connection, 'g' as Group)
  hub.remove(connection)
  hub.remove(connection)
  assert.deepEqual([hub.size, hub.userCount, hub.groupCount], [0, 0, 0])
})
