import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { type AddressInfo, connect as dial, type Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { HandshakePacer } from '../../src/admission/handshake-pacer.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import { createServer, defineModule } from '../../src/index.ts'
import { startFlotilla } from '../standalone/flotilla.ts'
import { connect } from '../support/connect.ts'
import { until } from '../support/until.ts'

/** Handshakes that begin, or end, in one turn of the server. A turn that is counted here may span two of them. */
const PER_TURN = 16
const CROWD = 320
/** More than Node's default accept queue holds, and fewer than Linux allows. */
const MANY = 1_500

test('a limited number of handshakes pass in one turn, in order of arrival', async () => {
  const pacer = new HandshakePacer(3)
  const passed: number[] = []
  const arrive = async (number: number): Promise<void> => {
    const turn = pacer.pass()
    if (turn !== undefined) await turn
    passed.push(number)
  }
  const all = Promise.all(Array.from({ length: 8 }, (_, index) => arrive(index)))
  const counts = [passed.length]
  while (passed.length < 8) {
    await nextTurn()
    counts.push(passed.length)
  }
  await all
  assert.deepEqual(passed, [0, 1, 2, 3, 4, 5, 6, 7])
  for (const [index, count] of counts.entries()) assert.ok(count - (counts[index - 1] ?? 0) <= 3, counts.join())
  await nextTurn()
  await nextTurn()
  assert.equal(pacer.pass(), undefined, 'a lone handshake does not wait')
})

test('a crowd is admitted over many turns, and pushes are delivered between them', async (t) => {
  const counts = { begun: 0, opened: 0 }
  const ws = defineModule('/ws', {
    handshake(ctx) {
      if (ctx.url.searchParams.has('crowd')) counts.begun++
      ctx.uid = ctx.url.searchParams.get('uid')!
    },
    open: (connection) => void (connection.uid === 'crowd' && counts.opened++),
  })
  const driver = memory()
  const options = { modules: [ws], driver, maxConnectionsPerUid: CROWD }
  await using server = createServer(options)
  await using publisher = createServer(options)
  await publisher.ready()
  const http = createHttp()
  let acceptedCount = 0
  http.on('connection', () => acceptedCount++)
  server.attach(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => http.close())
  const { port } = http.address() as AddressInfo
  const client = await connect(`http://127.0.0.1:${port}`, { uid: 'staying' })
  const sockets: Socket[] = Array.from({ length: CROWD }, () => dial(port, '127.0.0.1'))
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  await until('they are accepted', () => acceptedCount === CROWD + 1)

  const turns: { begun: number; opened: number; delivered: number }[] = []
  for (const socket of sockets) socket.write(REQUEST)
  let pushes = Promise.resolve()
  while (counts.opened < CROWD) {
    const push = publisher.cluster.push({ uid: 'staying' }, 'x')
    pushes = Promise.all([pushes, push]).then(() => {})
    const before = { ...counts, delivered: server.stats().deliveredCount }
    await nextTurn()
    const delivered = server.stats().deliveredCount - before.delivered
    turns.push({ begun: counts.begun - before.begun, opened: counts.opened - before.opened, delivered })
  }
  await pushes
  const crowded = turns.filter(({ begun, opened }) => begun + opened > 0)
  assert.ok(
    crowded.every(({ begun, opened }) => begun <= 2 * PER_TURN && opened <= 2 * PER_TURN),
    JSON.stringify(crowded),
  )
  const between = turns.slice(turns.indexOf(crowded[0]!), turns.indexOf(crowded.at(-1)!))
  const deliveredCount = between.reduce((sum, { delivered }) => sum + delivered, 0)
  assert.ok(deliveredCount >= CROWD / PER_TURN / 2, `${deliveredCount} pushes were handed over meanwhile`)
  await client.close()
})

test('a crowd that connects at once fits into the accept queue, and nobody has to try again', async (t) => {
  // The server process is stopped, so it accepts nobody.
  const { url, child } = await startFlotilla(t, ['--dev', '--port', '0'])
  child.kill('SIGSTOP')
  const { port } = new URL(url)
  let connectedCount = 0
  const sockets = Array.from({ length: MANY }, () => dial(Number(port), '127.0.0.1', () => connectedCount++))
  for (const socket of sockets) socket.on('error', () => {})
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  await until('all are connected', () => connectedCount === MANY)
})

const REQUEST = [
  'GET /ws?crowd&uid=crowd HTTP/1.1',
  'Host: localhost',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
  '\r\n',
].join('\r\n')
