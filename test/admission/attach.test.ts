import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp, type Server as HttpServer } from 'node:http'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { serve } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { Server as SocketIo } from 'socket.io'
import { io } from 'socket.io-client'
import { redis } from '../../src/drivers/redis/redis.ts'
import { createServer, defineModule } from '../../src/index.ts'
import { connect } from '../../src/testing.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

const ws = defineModule('/ws/:uid', { handshake: (ctx) => void (ctx.uid = ctx.params.uid) })

async function checkBoth(t: TestContext, http: HttpServer): Promise<void> {
  const server = createServer({ modules: [ws] }).attach(http)
  t.after(() => server.close())
  if (!http.listening) await once(http.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const client = await connect(`${url}/ws/u1`)
  await server.cluster.transportToUid('hello', 'u1')
  assert.equal(await client.next(), 'hello')
  assert.equal(await (await fetch(`${url}/plain`)).text(), 'plain')
  await assert.rejects(connect(`${url}/elsewhere`), /404/)
  await server.close()
  assert.equal(http.listening, true, 'the host server is never closed')
  assert.equal((await client.closed).code, 1001)
}

test('attached to node:http', async (t) => {
  const http = createHttp((_request, response) => void response.end('plain'))
  t.after(() => http.close())
  await checkBoth(t, http)
})

test('attached to Express', async (t) => {
  const app = express().get('/plain', (_request, response) => void response.send('plain'))
  const http = createHttp(app)
  t.after(() => http.close())
  await checkBoth(t, http)
})

test('attached to Fastify', async (t) => {
  const app = fastify({ forceCloseConnections: true })
  app.get('/plain', () => 'plain')
  t.after(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  await checkBoth(t, app.server)
})

test('attached to Hono', async (t) => {
  const app = new Hono().get('/plain', (c) => c.text('plain'))
  const http = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as HttpServer
  t.after(() => http.close())
  if (!http.listening) await once(http, 'listening')
  await checkBoth(t, http)
})

/** Closes the framework with a client connected, and with nothing that tells Flotilla of it. */
async function endsWith(http: HttpServer, end: () => unknown): Promise<void> {
  const server = createServer({ modules: [ws] }).attach(http)
  const client = await connect(`http://localhost:${(http.address() as AddressInfo).port}/ws/u1`)
  const gone = once(http, 'close')
  await Promise.all([end(), gone])
  assert.equal((await client.closed).code, 1001)
  await until('the node has left', () => server.health(1000).then(() => false, isClosed))
}

function isClosed(error: { code: string }): boolean {
  return error.code === 'FLT_CLOSED'
}

test('closing the server of an Express application ends an attached server', async () => {
  const http = express().listen(0)
  await once(http, 'listening')
  await endsWith(http, () => http.close())
})

test('closing a Fastify application ends an attached server, whichever of its addresses the clients use', async () => {
  const app = fastify()
  // On a machine with IPv6, Fastify makes a server for each of the two addresses.
  await app.listen({ port: 0, host: 'localhost' })
  await endsWith(app.server, () => app.close())
})

test('closing the server of a Hono application ends an attached server', async () => {
  const http = serve({ fetch: new Hono().fetch, port: 0 }) as HttpServer
  if (!http.listening) await once(http, 'listening')
  await endsWith(http, () => http.close())
})

test('Flotilla and Socket.IO on the same HTTP server each serve their own paths', async (t) => {
  const http = createHttp()
  const socketIo = new SocketIo(http, { transports: ['websocket'], destroyUpgrade: false })
  socketIo.on('connection', (socket) => void socket.emit('hi', 'from socket.io'))
  const server = createServer({ modules: [ws] }).attach(http)
  t.after(async () => {
    await server.close()
    await socketIo.close()
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const client = await connect(`${url}/ws/u1`)
  const peer = io(url, { transports: ['websocket'] })
  t.after(() => peer.close())
  assert.equal(await new Promise((resolve) => peer.on('hi', resolve)), 'from socket.io')
  await server.cluster.transportToUid('hello', 'u1')
  assert.equal(await client.next(), 'hello')
})

test('a client that resets while the node waits for its store, or while it is refused, harms nobody', async (t) => {
  const http = createHttp()
  const driver = redis({ url: `redis://127.0.0.1:${await freePort()}` })
  const server = createServer({ modules: [ws], driver, storeWait: 100, connectTimeout: 400 }).attach(http)
  t.after(async () => {
    await server.close()
    http.close()
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  const { port } = http.address() as AddressInfo
  const head = 'Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
  for (const path of ['/ws/u1', '/nowhere']) {
    // The test must not listen for 'upgrade' itself: the server would leave the request to the other listener.
    const connected = once(http, 'connection')
    const socket = connectTcp(port, '127.0.0.1')
    socket.write(`GET ${path} HTTP/1.1\r\n${head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`)
    const [serverSide] = (await connected) as [Socket]
    await until('the request is read', () => serverSide.bytesRead > 0, { every: 1 })
    socket.resetAndDestroy()
    await until('it is gone', () => serverSide.destroyed)
  }
  await assert.rejects(connect(`http://127.0.0.1:${port}/ws/u1`), /503/)
})

test('two Flotilla servers attached to one HTTP server share its paths', async (t) => {
  const http = createHttp()
  const other = defineModule('/other', { open: (ctx) => void ctx.send('other') })
  const servers = [ws, other].map((module) => createServer({ modules: [module] }).attach(http))
  t.after(async () => {
    for (const server of servers) await server.close()
    http.close()
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  assert.equal(await (await connect(`${url}/other`)).next(), 'other')
  await connect(`${url}/ws/u1`)
})
