import { once } from 'node:events'
// The publisher of Nchan. The nodes are nginx processes. It sends HTTP requests on one connection without awaiting the
// answers in between, because that costs both sides the least.
import { connect } from 'node:net'
import { textOf } from '../message.mjs'

/** Three digits follow it. The rest of an answer does not contain it. */
const STATUS = 'HTTP/1.1 '

/** @param {{ port: number }} settings */
export async function start({ port }) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  socket.setEncoding('latin1')
  /** The pushes that wait for an answer, in order. */
  const waiting = []
  let first = 0
  /** The end of the last data, which may be the beginning of an answer. */
  let rest = ''
  socket.on('data', (data) => {
    const text = rest + data
    let end = 0
    for (let at = text.indexOf(STATUS); at !== -1; at = text.indexOf(STATUS, end)) {
      const digit = text[at + STATUS.length]
      if (digit === undefined) break
      end = at + STATUS.length
      const { resolve, reject } = waiting[first]
      waiting[first++] = undefined
      if (digit === '2') resolve()
      else reject(new Error(`Nchan answered ${text.slice(at, at + 40)}`))
    }
    rest = text.slice(Math.max(end, text.length - STATUS.length))
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
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
  }
}
