import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, suite, test } from 'node:test'
import { elapse, until } from '../test/support/until.ts'
import { call, connectAs, Fleet } from './support/fleet.ts'
import { Haproxy } from './support/haproxy.ts'
import { Nginx } from './support/nginx.ts'
import type { Proxy } from './support/proxy.ts'

// deploy/nginx.conf and deploy/haproxy.cfg, each by its own program, in front of three nodes.

/** Two for each node. */
const VISITOR_COUNT = 6

for (const program of [Nginx, Haproxy]) {
  suite(program.name, () => {
    let fleet: Fleet
    let proxy: Proxy

    before(async () => {
      fleet = await Fleet.start(['--ping-interval', '1000'])
      proxy = await program.start({ nodes: fleet.ports })
    })
    after(async () => {
      await proxy?.stop()
      await fleet?.stop()
    })

    test('clients are spread over the nodes, and each gets what is pushed through the proxy', async () => {
      const visitors = newUids(VISITOR_COUNT)
      const clients = await Promise.all(visitors.map((uid) => connectAs(uid, proxy.host)))
      assert.equal((await nodesOf(proxy, visitors)).size, 3)
      const { status, body } = await call(proxy.host, 'POST', '/api/push', { all: true, message: 'hello' })
      assert.equal(status, 200, JSON.stringify(body))
      for (const client of clients) assert.equal(await client.next(), 'hello')
      for (const client of clients) await client.close()
    })

    test('a node knows the address of a client, whatever the client says', async () => {
      const headers = { 'x-forwarded-for': '192.0.2.1' }
      const client = await connectAs('moved', proxy.host, { localAddress: '127.0.0.2', headers })
      assert.equal((await connectionOf(proxy, 'moved')).ip, '127.0.0.2')
      await client.close()
    })

    test('a page of the same host may connect, because Host arrives with its port', async () => {
      const client = await connectAs('page', proxy.host, { origin: `http://${proxy.host}` })
      await client.close()
      await assert.rejects(connectAs('page', proxy.host, { origin: 'http://127.0.0.1' }), /403/)
    })

    test('only services reach the API, and nobody reaches health and metrics', async () => {
      assert.equal(await statusFor(proxy, '/api/nodes', '127.0.0.1'), 401)
      assert.equal(await statusFor(proxy, '/api/nodes', '127.0.0.2'), 403)
      for (const path of ['/healthz', '/readyz', '/metrics']) {
        assert.equal(await statusFor(proxy, path, '127.0.0.1'), 404)
      }
    })

    test('a push as large as a node takes it passes the proxy', async () => {
      const message = '"'.repeat(1_000_000)
      const { status, body } = await call(proxy.host, 'POST', '/api/push', { uid: 'nobody', message })
      assert.equal(status, 200, JSON.stringify(body))
    })

    test('an idle client stays for longer than the timeout of the proxy, because the node pings it', async () => {
      const patient = await program.start({ nodes: fleet.ports, timeout: '5s' })
      const hasty = await program.start({ nodes: fleet.ports, timeout: '400ms' })
      const kept = await connectAs('kept', patient.host)
      const cut = await connectAs('cut', hasty.host)
      assert.equal((await cut.closed).code, 1006, 'a timeout that is shorter than the pings closes the connection')
      await elapse(11_000)
      await call(proxy.host, 'POST', '/api/push', { uid: 'kept', message: 'still there' })
      assert.equal(await kept.next(), 'still there')
      await kept.close()
      await Promise.all([patient.stop(), hasty.stop()])
    })

    test('a node that is taken out keeps its clients and gets no new ones, until it is put back', async () => {
      const { id } = fleet.node(1)
      let staying = newUid()
      await until('a client is on the node', async () => {
        const client = await connectAs(staying, proxy.host)
        if ((await connectionOf(proxy, staying)).node === id) return true
        await client.close()
        staying = newUid()
        return false
      })
      await proxy.takeOut(1)
      await until('the node gets no clients', async () => !(await isReached(proxy, id)))
      for (let tries = 0; tries < 5; tries++) assert.equal(await isReached(proxy, id), false)
      assert.equal((await connectionOf(proxy, staying)).node, id)
      await proxy.putBack(1)
      await until('the node gets clients again', () => isReached(proxy, id))
      await call(proxy.host, 'DELETE', `/api/users/${staying}`)
    })

    test('a node that dies costs no connect and no push, and is used again once it is back', async () => {
      await fleet.node(0).kill9()
      for (let tries = 0; tries < 12; tries++) {
        const uid = newUid()
        const client = await connectAs(uid, proxy.host)
        const { status, body } = await call(proxy.host, 'POST', '/api/push', { uid, message: 'hello' })
        assert.equal(status, 200, JSON.stringify(body))
        assert.equal(await client.next(), 'hello')
        await client.close()
      }
      await fleet.startNode(0)
      await until('the node gets clients again', () => isReached(proxy, fleet.node(0).id))
    })
  })
}

let uidCount = 0

/** A user who was never here: State may list a connection for a moment after it has closed. */
function newUid(): string {
  return `u${uidCount++}`
}

function newUids(count: number): string[] {
  return Array.from({ length: count }, newUid)
}

interface Connection {
  readonly node: string
  readonly ip: string
}

async function connectionOf(proxy: Proxy, uid: string): Promise<Connection> {
  const { body } = await call(proxy.host, 'GET', `/api/users/${uid}`)
  const { connections } = body as { connections: Connection[] }
  assert.equal(connections.length, 1)
  return connections[0]!
}

async function nodesOf(proxy: Proxy, uids: readonly string[]): Promise<Set<string>> {
  return new Set(await Promise.all(uids.map(async (uid) => (await connectionOf(proxy, uid)).node)))
}

/** Whether one of six new clients comes to the node. */
async function isReached(proxy: Proxy, node: string): Promise<boolean> {
  const visitors = newUids(VISITOR_COUNT)
  const clients = await Promise.all(visitors.map((uid) => connectAs(uid, proxy.host)))
  const nodes = await nodesOf(proxy, visitors)
  for (const client of clients) await client.close()
  return nodes.has(node)
}

function statusFor(proxy: Proxy, path: string, localAddress: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`http://${proxy.host}${path}`, { localAddress, agent: false })
    sent.once('response', (answer) => resolve(answer.resume().statusCode ?? 0))
    sent.once('error', reject).end()
  })
}
