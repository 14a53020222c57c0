import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { PlainSockets } from '../../src/admission/plain-sockets.ts'

const patience = 60_000
const ignore = (): void => {}

test('a new socket is not closed before its first request: one that has sent a request is closed first', () => {
  const sockets = new PlainSockets({ patience, max: 3, gaveWay: ignore })
  const [kept, ...others] = Array.from({ length: 4 }, () => new Socket())
  sockets.add(others[0]!, undefined)
  sockets.add(others[1]!, undefined)
  sockets.add(kept!, undefined)
  sockets.requestArrives(kept!)
  sockets.requestEnds(kept!)
  assert(sockets.isCrowded)
  sockets.add(others[2]!, undefined)
  assert.deepEqual(
    [kept, ...others].map((socket) => socket!.destroyed),
    [true, false, false, false],
  )
  sockets.close()
})

test('a socket that never sends a request is closed before newer sockets, and before those that are kept alive', async () => {
  const sockets = new PlainSockets({ patience, max: 2, gaveWay: ignore })
  const [silent, kept, newcomer] = Array.from({ length: 3 }, () => new Socket())
  sockets.add(silent!, undefined)
  const start = performance.now()
  while (performance.now() - start <= 1_000) await pause(50)
  sockets.add(kept!, undefined)
  sockets.requestArrives(kept!)
  sockets.requestEnds(kept!)
  sockets.add(newcomer!, undefined)
  assert.deepEqual(
    [silent, kept, newcomer].map((socket) => socket!.destroyed),
    [true, false, false],
  )
  sockets.close()
})
