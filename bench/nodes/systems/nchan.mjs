// The publisher beside Nchan; the nodes are nginx processes. It sends HTTP requests one behind another on one connection,
// and awaits no answer before the next, which costs both sides the least.
import { connect } from 'node:net'
import { once } from 'node:events'
import { textOf } from '../message.mjs'

const ANSWER = Buffer.from('HTTP/1.1 20')

/** @param {{ port: number }} settings */
export async function start({ port }) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  /** Who waits for an answer, in order. */
  const waiting = []
  let first = 0
  /** The end of what came, which may be the beginning of an answer. */
  let rest = Buffer.alloc(0)
  socket.on('data', (data) => {
    const bytes = Buffer.concat([rest, data])
    let end = 0
    for (let at = bytes.indexOf(ANSWER); at !== -1; at = bytes.indexOf(ANSWER, end)) {
      end = at + ANSWER.length
      waiting[first]()
      waiting[first++] = undefined
    }
    rest = bytes.subarray(Math.max(end, bytes.length - ANSWER.length + 1))
    if (first === waiting.length) waiting.length = first = 0
  })
  let requests = ''
  const flush = () => {
    socket.write(requests)
    requests = ''
  }
  return {
    push(uid, t) {
      const text = textOf(t)
      if (requests === '') queueMicrotask(flush)
      requests += `POST /pub?to=${uid ?? 'all'} HTTP/1.1\r\nHost: n\r\nContent-Length: ${text.length}\r\n\r\n${text}`
      return new Promise((resolve) => waiting.push(resolve))
    },
  }
}
