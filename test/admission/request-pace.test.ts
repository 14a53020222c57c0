import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { paceRequests } from '../../src/admission/request-pace.ts'

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
