import { once } from 'node:events'
// The control: a few lines of code around `ws` on one node, without a store or a cluster. A publisher is a process with
// one connection to the node; it sends `uid`, a line end, and the message.
import { WebSocket, WebSocketServer } from 'ws'
import { textOf } from '../message.mjs'

/** @param {{ node?: number }} settings `node`: the port of the node to publish through. */
export function start({ node }) {
  return node === undefined ? serve() : publishOver(node)
}

async function serve() {
  const everyone = new Set()
  const users = new Map()
  const send = (uid, text) => {
    if (uid !== undefined) users.get(uid)?.send(text)
    else for (const socket of everyone) socket.send(text)
  }
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  server.on('connection', (socket, { url }) => {
    if (url === '/publish') {
      socket.on('message', (/** @type {Buffer} */ data) => relay(data.toString('utf8'), send))
      return
    }
    const uid = new URL(url, 'ws://localhost').searchParams.get('uid')
    everyone.add(socket)
    users.set(uid, socket)
    socket.on('close', () => {
      everyone.delete(socket)
      users.delete(uid)
    })
  })
  await once(server, 'listening')
  return { ports: [server.address().port], push: (uid, t) => send(uid, textOf(t)) }
}

function relay(line, send) {
  const end = line.indexOf('\n')
  send(end === 0 ? undefined : line.slice(0, end), line.slice(end + 1))
}

async function publishOver(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/publish`, { perMessageDeflate: false })
  await once(socket, 'open')
  return { push: (uid, t) => socket.send(`${uid ?? ''}\n${textOf(t)}`) }
}
