import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import { Host } from '../fuzz/cluster/host.ts'
import { connect } from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import { elapse } from '../support/until.ts'

const CLOSE = { opcode: 8 }
const GOING_AWAY = Buffer.from([0x03, 0xe9])

async function twoHosts(t: TestContext): Promise<[Host, Host]> {
  const driver = memory()
  const hosts = await Promise.all([Host.start(driver, 'p', 'a'), Host.start(driver, 'p', 'b')])
  t.after(() => Promise.all(hosts.map(({ server }) => server.close({ timeout: 100 }))))
  return hosts
}

test('a push that meets a connection whose client is just closing it goes after the user to another node', async (t) => {
  const [a, b] = await twoHosts(t)
  using phone = await RawClient.connect(a.url, '/ws?uid=u')
  // What is pushed to a now is still on its way when the user has moved.
  a.plug.lag(300)
  await b.server.cluster.push({ uid: 'u' }, 'on its way')
  const laptop = await connect(b.url, { uid: 'u' })
  // It says that it goes, and leaves its end of the socket open: for the server it is still there.
  phone.pause()
  phone.send(GOING_AWAY, CLOSE)
  await laptop.waitFor(1)
  assert.deepEqual(laptop.texts, ['on its way'])
  laptop.socket.terminate()
})

test('where such a user is nowhere else, the push waits for a return', async (t) => {
  const [a, b] = await twoHosts(t)
  using phone = await RawClient.connect(a.url, '/ws?uid=u')
  phone.pause()
  phone.send(GOING_AWAY, CLOSE)
  a.plug.lag(100)
  await b.server.cluster.push({ uid: 'u' }, 'on its way')
  await elapse(300)
  const back = await connect(b.url, { uid: 'u' })
  await back.waitFor(1)
  assert.deepEqual(back.texts, ['on its way'])
  back.socket.terminate()
})

test('a message for a group that meets its members as they move reaches them, once', async (t) => {
  const [a, b] = await twoHosts(t)
  const before = await connect(a.url, { uid: 'u', groups: ['g'] })
  const staying = await connect(a.url, { uid: 'v', groups: ['g'] })
  a.plug.lag(300)
  await b.server.cluster.push({ group: 'g' }, 'on its way')
  before.socket.terminate()
  await elapse(100)
  const back = await connect(b.url, { uid: 'u', groups: ['g'] })
  await Promise.all([back.waitFor(1), staying.waitFor(1)])
  a.plug.lag(0)
  await b.server.cluster.push({ group: 'g' }, 'after')
  await Promise.all([back.waitFor(2), staying.waitFor(2)])
  for (const client of [back, staying]) {
    assert.deepEqual(client.texts, ['on its way', 'after'])
    client.socket.terminate()
  }
})

test('a message for a group waits for a member who is nowhere, but not one that was pushed after the leave', async (t) => {
  const [a, b] = await twoHosts(t)
  const before = await connect(a.url, { uid: 'u', groups: ['g'] })
  const staying = await connect(a.url, { uid: 'v', groups: ['g'] })
  a.plug.lag(300)
  await b.server.cluster.push({ group: 'g' }, 'on its way')
  before.socket.terminate()
  await staying.waitFor(1)
  a.plug.lag(0)
  await elapse(500)
  await b.server.cluster.push({ group: 'g' }, 'while away')
  await staying.waitFor(2)
  const back = await connect(a.url, { uid: 'u' })
  await back.waitFor(1)
  await b.server.cluster.push({ uid: 'u' }, 'last')
  await back.waitFor(2)
  assert.deepEqual(back.texts, ['on its way', 'last'])
  for (const client of [back, staying]) client.socket.terminate()
})
