import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createServer, defineModule, memory, type ServerOptions } from '../../src/index.ts'
import { elapse, until } from '../support/until.ts'

async function start(t: TestContext, options: Partial<ServerOptions>): Promise<Socket> {
  const server = createServer({ modules: [defineModule('/ws', {})], driver: memory({ isolated: true }), ...options })
  t.after(() => server.close())
  const socket = connect(Number(new URL(await server.listen(0)).port), '127.0.0.1')
  socket.setEncoding('latin1')
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Sends a request and returns the head of its answer. */
async function ask(socket: Socket): Promise<string> {
  let answer = ''
  const add = (text: string): void => void (answer += text)
  socket.on('data', add)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('it is answered', () => answer.includes('}}'), { every: 2 })
  socket.off('data', add)
  return answer.slice(0, answer.indexOf('\r\n\r\n'))
}

test('an HTTP connection is kept alive for 75 s by default, longer than load balancers do', async (t) => {
  assert.match(await ask(await start(t, {})), /^Keep-Alive: timeout=75$/m)
})

test('the deadlines of a handshake and of a request do not cut off a connection between two requests', async (t) => {
  const socket = await start(t, { handshakeTimeout: 200, requestTimeout: 200 })
  await ask(socket)
  // Node looks every 500 ms for requests that take too long, and PlainSockets for sockets without a request.
  await elapse(1_500)
  assert.match(await ask(socket), /^HTTP\/1\.1 404 /)
})

test('keepAliveTimeout closes a connection that sends nothing more', async (t) => {
  const socket = await start(t, { keepAliveTimeout: 100 })
  await ask(socket)
  await once(socket, 'close')
})
