import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { push, startFleet } from './fleet.ts'

const HANDSHAKE = [
  'GET /ws?uid=u HTTP/1.1',
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
/** A close frame with code 1000, masked with zeros. */
const CLOSE = Buffer.of(0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8)

// Invariant D7: messages that a closing connection had not taken are sent after its user.
test('a push between the close of the WebSocket and that of its TCP socket reaches the user on return', async (t) => {
  const { a, b, connect: open } = await startFleet(t)
  // The client ends its socket only a while after the server has.
  const socket = connect({ port: Number(new URL(a.url).port), host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => socket.destroy())
  socket.write(`${HANDSHAKE.join('\r\n')}\r\n\r\n`)
  await once(socket, 'data')
  socket.write(CLOSE)
  await once(socket, 'data')
  const answers = await Promise.all([a, b].map((node, index) => push(node, { uid: 'u', message: `late ${index}` })))
  const owed = answers.flatMap(({ offline }, index) => (offline.length === 0 ? [`late ${index}`] : []))
  assert.ok(owed.length > 0, 'the user was still listed')
  const back = await open(b, { uid: 'u' })
  await back.waitFor(owed.length)
  assert.deepEqual(back.texts.toSorted(), owed)
})
