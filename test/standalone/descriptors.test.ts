import assert from 'node:assert/strict'
import { connect as connectTcp } from 'node:net'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { Child } from '../support/child.ts'
import { connect } from '../support/connect.ts'
import { cli, READY } from '../support/start-node.ts'
import { until } from '../support/until.ts'

/** Enough to load the program, which reads many files at once. */
const FILES = 400

/** Starts a server that may open only so many files. */
function startLimited(files: number, flags: string): Child {
  const command = `ulimit -n ${files}; exec ${process.execPath} ${cli} start --dev --port=0 ${flags}`
  return new Child('bash', ['-c', command])
}

test('a server that is out of file descriptors logs it once, counts it, and can still be asked', async (t) => {
  const server = startLimited(FILES, '--log-level=error')
  t.after(() => server.kill9())
  const [, , url = ''] = await server.said(READY)
  const sockets = Array.from(
    { length: 2 * FILES },
    (_, n) => new WebSocket(`${url.replace('http', 'ws')}/ws?uid=u${n % 100}`),
  )
  t.after(() => sockets.forEach((socket) => socket.terminate()))
  for (const socket of sockets) socket.on('error', () => {})
  await until('all are let in or turned away', () => sockets.every(({ readyState }) => readyState !== 0))
  const open = sockets.filter(({ readyState }) => readyState === 1)
  assert.ok(open.length > 0 && open.length < FILES, `${open.length} are connected`)
  for (const socket of open.slice(0, 20)) socket.terminate()
  let metrics = ''
  await until('it can be asked', async () => {
    metrics = await fetch(`${url}/metrics`, { headers: { connection: 'close' } }).then(
      (answer) => answer.text(),
      () => '',
    )
    return metrics !== ''
  })
  assert.ok(Number(/^flotilla_out_of_descriptors_total (\d+)$/m.exec(metrics)?.[1]) >= FILES)
  assert.equal(server.stderr.match(/hardly a file descriptor is left/g)?.length, 1, server.stderr)
  assert.ok(server.running)
})

test('if connections that are kept alive take the last descriptors, they give way to clients that try again', async (t) => {
  const server = startLimited(FILES, '--log-level=silent')
  t.after(() => server.kill9())
  const [, , url = ''] = await server.said(READY)
  const { port } = new URL(url)
  let answered = 0
  const idle = Array.from({ length: 2 * FILES }, () => {
    const socket = connectTcp(Number(port), '127.0.0.1').on('error', () => {})
    socket.once('data', () => answered++)
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    return socket
  })
  t.after(() => idle.forEach((socket) => socket.destroy()))
  await until('many are kept alive', () => answered > 30 && idle.every(({ readyState }) => readyState !== 'opening'))
  await until('a client is let in', async () => {
    const client = await connect(url, { uid: 'ann' }).catch(() => undefined)
    await client?.vanish()
    return client !== undefined
  })
})

test('a limit on open files that is below maxConnections is warned of at the start', async (t) => {
  const server = startLimited(FILES, '--max-connections=1000 --log-level=warn')
  t.after(() => server.kill9())
  await server.said(READY)
  assert.match(server.stderr, /may open only 400 files, too few for maxConnections.* to 1100 or more/)
})
