import { once } from 'node:events'
import { createServer } from 'node:http'
// Socket.IO 4 with one of its two Redis adapters, WebSocket only. Each user is a room.
import { createAdapter as createPubSub } from '@socket.io/redis-adapter'
import { createAdapter as createStreams } from '@socket.io/redis-streams-adapter'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { bodyOf } from '../message.mjs'

const adapters = {
  redis: async (url) => createPubSub(await connect(url), await connect(url)),
  streams: async (url) => createStreams(await connect(url)),
}

/** @param {{ adapter: 'redis' | 'streams', redis: string, servers?: number }} settings */
export async function start({ adapter, redis, servers: count = 1 }) {
  const servers = await Promise.all(Array.from({ length: count }, async () => serve(await adapters[adapter](redis))))
  const [{ io }] = servers
  return {
    ports: servers.map(({ port }) => port),
    push: (uid, t) => void (uid === undefined ? io : io.to(uid)).emit('m', bodyOf(t)),
  }
}

async function serve(adapter) {
  const http = createServer()
  const options = { transports: ['websocket'], perMessageDeflate: false, serveClient: false, adapter }
  const io = new Server(http, options)
  io.on('connection', (socket) => socket.join(socket.handshake.query.uid))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return { io, port: http.address().port }
}

async function connect(url) {
  const client = createClient({ url })
  client.on('error', (error) => process.stderr.write(`${error}\n`))
  return client.connect()
}
