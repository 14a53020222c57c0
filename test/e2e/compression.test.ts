import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startNode } from '../support/start-node.ts'
import { SuiteBrowser } from './browser.ts'

const browser = new SuiteBrowser()

/** Runs in the page: sends a text and some bytes to `/echo`, and shows the replies. */
const talk = `new Promise((resolve, reject) => {
  const socket = new WebSocket(location.origin.replace('http', 'ws') + '/echo')
  const text = 'Größe 🚢 '.repeat(20_000)
  const got = []
  socket.onerror = () => reject(new Error('the connection broke'))
  socket.onopen = () => {
    socket.send(text)
    socket.send(new Uint8Array(5_000))
    socket.send('short')
  }
  socket.onmessage = async ({ data }) => {
    got.push(data)
    if (got.length < 3) return
    const bytes = await got[1].arrayBuffer()
    resolve({ extensions: socket.extensions, isSame: got[0] === text, byteCount: bytes.byteLength, last: got[2] })
  }
})`

test('a browser exchanges compressed messages if the server offers that, and plain ones otherwise', async (t) => {
  for (const flags of [['--compression'], []]) {
    const node = await startNode(['--dev', '--log-level', 'warn', ...flags])
    t.after(() => node.stop())
    const page = await browser.newPage(t)
    await page.goto(node.url)
    const { extensions, ...echoed } = (await page.evaluate(talk)) as { extensions: string }
    assert.match(extensions, flags.length > 0 ? /^permessage-deflate/ : /^$/)
    assert.deepEqual(echoed, { isSame: true, byteCount: 5_000, last: 'short' })
  }
})
