import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { PlainSockets } from '../../src/admission/plain-sockets.ts'
import { paceRequests } from '../../src/admission/request-pace.ts'

const patience = 60_000
const ignore = (): void => {}

function newRequest(): [IncomingMessage, ServerResponse] {
  const request = new IncomingMessage(new Socket())
  return [request, new ServerResponse(request)]
}

test('while many sockets are open, a turn handles one request, in order, and skips those whose client has gone', async () => {
  const handled: IncomingMessage[] = []
  let isCrowded = true
  const listener = paceRequests(
    (request) => handled.push(request),
    () => isCrowded,
  )
  const requests = Array.from({ length: 5 }, newRequest)
  for (const [request, response] of requests) listener(request, response)
  requests[2]![1].destroy()
  isCrowded = false
  const late = newRequest()
  listener(...late)
  const counts = [handled.length]
  while (handled.length < 5) {
    await nextTurn()
    counts.push(handled.length)
  }
  assert.deepEqual(
    handled,
    [...requests.filter((_, n) => n !== 2), late].map(([request]) => request),
  )
  assert(counts.every((count, turn) => turn === 0 || count - counts[turn - 1]! <= 1))
  for (const [request, response] of requests) listener(request, response)
  assert.equal(handled.length, 9, 'while few are open, all are handled at once')
})

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
