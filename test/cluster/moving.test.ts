import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { ClientConnection } from '../../src/connection/client-connection.ts'
import type { Driver } from '../../src/drivers/driver.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { State } from '../../src/drivers/state.ts'
import { createServer, defineModule } from '../../src/index.ts'
import { Host } from '../fuzz/cluster/host.ts'
import { connect } from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

/** ms. Long, because a heartbeat writes some bindings again, and would then find what is parked. */
const HEARTBEAT = 30_000
const CLOSE = { opcode: 8 }
const GOING_AWAY = Buffer.from([0x03, 0xe9])

/** @param withState wraps the State of both nodes */
async function twoHosts(
  t: TestContext,
  withState = (state: State): State => state,
  heartbeat = HEARTBEAT,
): Promise<[Host, Host]> {
  const store = memory()
  const driver: Driver = { ...store, state: (settings) => withState(store.state(settings)) }
  const hosts = await Promise.all(['a', 'b'].map((name) => Host.start(driver, 'p', name, heartbeat)))
  t.after(() => {
    for (const { plug } of hosts) plug.letGo()
    return Promise.all(hosts.map(({ server }) => server.close({ timeout: 100 })))
  })
  return [hosts[0]!, hosts[1]!]
}

/** Counts what was parked. */
class Parked {
  count = 0

  readonly watch = (state: State): State => {
    const park = state.park.bind(state)
    const counting = async (...given: Parameters<State['park']>): ReturnType<State['park']> => {
      const outcomes = await park(...given)
      this.count += outcomes.flat().filter((outcome) => outcome === 'parked').length
      return outcomes
    }
    return Object.assign(state, { park: counting })
  }
}

/** The client sends a close frame and leaves its end of the socket open: the server still lists the connection. */
async function goAway(phone: RawClient, host: Host): Promise<void> {
  phone.pause()
  phone.send(GOING_AWAY, CLOSE)
  await until('its node has heard it', () =>
    ([...host.server.local] as ClientConnection[]).every(({ isGoing }) => isGoing),
  )
}

async function untilNowhere({ server }: Host, uid: string): Promise<void> {
  await until(`${uid} is nowhere`, async () => (await server.cluster.connections(uid)).length === 0)
}

test('a push that meets a closing connection is forwarded to the user on another node', async (t) => {
  const [a, b] = await twoHosts(t)
  using phone = await RawClient.connect(a.url, '/ws?uid=u')
  // A push to node a now is still on its way when the user has moved.
  a.plug.hold()
  await b.server.cluster.push({ uid: 'u' }, 'on its way')
  const laptop = await connect(b.url, { uid: 'u' })
  await goAway(phone, a)
  a.plug.letGo()
  await laptop.waitFor(1)
  assert.deepEqual(laptop.texts, ['on its way'])
  laptop.socket.terminate()
})

test('if that user is on no other node, the push is parked and reaches the user back on the same node', async (t) => {
  let goOn!: () => void
  const isBack = new Promise<void>((resolve) => (goOn = resolve))
  let isParking = false
  const [a, b] = await twoHosts(t, (state) => {
    const park = state.park.bind(state)
    const late = async (...given: Parameters<State['park']>): ReturnType<State['park']> => {
      isParking = true
      await isBack
      return park(...given)
    }
    return Object.assign(state, { park: late })
  })
  using phone = await RawClient.connect(a.url, '/ws?uid=u')
  a.plug.hold()
  await b.server.cluster.push({ uid: 'u' }, 'not too late')
  await goAway(phone, a)
  a.plug.letGo()
  await until('it is about to be parked', () => isParking)
  // The user is bound before the push is parked, so binding does not find it.
  const laptop = await connect(a.url, { uid: 'u' })
  goOn()
  await laptop.waitFor(1)
  assert.deepEqual(laptop.texts, ['not too late'])
  assert.equal(a.server.stats().undeliveredCount + b.server.stats().undeliveredCount, 0)
  laptop.socket.terminate()
})

test('a push that reached a client who was not let in after all is parked for the user', async (t) => {
  let isStored = true
  let lose!: () => void
  const lost = new Promise<void>((resolve) => (lose = resolve))
  const store = memory()
  const driver: Driver = {
    ...store,
    state: (settings) => {
      const state = store.state(settings)
      const apply = state.apply.bind(state)
      const unsure = async (...given: Parameters<State['apply']>): ReturnType<State['apply']> => {
        const applied = await apply(...given)
        if (isStored) return applied
        await lost
        throw new Error('the answer was lost')
      }
      return Object.assign(state, { apply: unsure })
    },
  }
  const ws = defineModule('/ws', { handshake: (ctx) => void (ctx.uid = 'u') })
  const server = createServer({
    modules: [ws],
    driver,
    storeWait: 1_000,
    heartbeat: HEARTBEAT,
    deadAfter: 4 * HEARTBEAT,
  })
  t.after(() => server.close({ timeout: 100 }))
  const url = await server.listen(0)
  isStored = false
  const refused = assert.rejects(connect(url))
  await until('the user is listed', async () => (await server.cluster.connections('u')).length === 1)
  // The push waits, because only the answer to the binding says whether an earlier one is parked for the user.
  const early = server.cluster.push({ uid: 'u' }, 'early')
  lose()
  assert.deepEqual((await early).offline, [])
  await refused
  isStored = true
  const client = await connect(url)
  await client.waitFor(1)
  assert.deepEqual(client.texts, ['early'])
})

test('a push to a group reaches members who move meanwhile, once', async (t) => {
  const [a, b] = await twoHosts(t)
  const before = await connect(a.url, { uid: 'u', groups: ['g'] })
  const staying = await connect(a.url, { uid: 'v', groups: ['g'] })
  a.plug.hold()
  await b.server.cluster.push({ group: 'g' }, 'on its way')
  before.socket.terminate()
  await untilNowhere(a, 'u')
  const back = await connect(b.url, { uid: 'u', groups: ['g'] })
  a.plug.letGo()
  await Promise.all([back.waitFor(1), staying.waitFor(1)])
  await b.server.cluster.push({ group: 'g' }, 'after')
  await Promise.all([back.waitFor(2), staying.waitFor(2)])
  for (const client of [back, staying]) {
    assert.deepEqual(client.texts, ['on its way', 'after'])
    client.socket.terminate()
  }
})

test('a push to a group is parked for a member who is nowhere, but not if it was made after the member left', async (t) => {
  const parked = new Parked()
  const [a, b] = await twoHosts(t, parked.watch)
  const before = await connect(a.url, { uid: 'u', groups: ['g'] })
  const staying = await connect(a.url, { uid: 'v', groups: ['g'] })
  a.plug.hold()
  await b.server.cluster.push({ group: 'g' }, 'on its way')
  before.socket.terminate()
  await untilNowhere(a, 'u')
  a.plug.letGo()
  await staying.waitFor(1)
  await until('it is parked', () => parked.count === 1)
  await b.server.cluster.push({ group: 'g' }, 'while away')
  await staying.waitFor(2)
  const back = await connect(a.url, { uid: 'u' })
  await back.waitFor(1)
  await b.server.cluster.push({ uid: 'u' }, 'last')
  await back.waitFor(2)
  assert.deepEqual(back.texts, ['on its way', 'last'])
  for (const client of [back, staying]) client.socket.terminate()
})

test('a node that joins again counts every connection as new from its first write on, and hands out what was parked', async (t) => {
  let isSlow = false
  let goOn!: () => void
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  const withState = (state: State): State => {
    const nodes = state.nodes.bind(state)
    const late = async (): ReturnType<State['nodes']> => {
      if (isSlow) await gate
      return nodes()
    }
    return Object.assign(state, { nodes: late })
  }
  const [a, b] = await twoHosts(t, withState, 300)
  const phone = await connect(a.url, { uid: 'u' })
  a.plug.hold()
  await b.server.cluster.push({ uid: 'u' }, 'parked')
  const { id } = a
  await b.server.cluster.evict(id)
  isSlow = true
  await until('it has a new id', () => a.id !== id)
  // The node has not written everybody again yet, only this user.
  const laptop = await connect(a.url, { uid: 'u' })
  goOn()
  a.plug.letGo()
  await Promise.all([phone.waitFor(1), laptop.waitFor(1)])
  assert.deepEqual([phone.texts, laptop.texts], [['parked'], ['parked']])
  for (const client of [phone, laptop]) client.socket.terminate()
})

// Invariant N8: a node that may have been declared dead asks before it delivers.
test('a node that sleeps while it reads what is parked hands out what was parked meanwhile only later', async (t) => {
  let goOn!: () => void
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  let [isReading, hasRead] = [false, false]
  const parked = new Parked()
  const withState = (state: State): State => {
    const parkedFor = state.parkedFor.bind(state)
    const late = async (...given: Parameters<State['parkedFor']>): ReturnType<State['parkedFor']> => {
      isReading = true
      await gate
      const found = await parkedFor(...given)
      hasRead = true
      return found
    }
    return Object.assign(parked.watch(state), { parkedFor: late })
  }
  const [a, b] = await twoHosts(t, withState, 300)
  const before = await connect(a.url, { uid: 'u' })
  a.plug.hold()
  await b.server.cluster.push({ uid: 'u' }, 'one')
  before.socket.terminate()
  await untilNowhere(a, 'u')
  a.plug.letGo()
  await until('it is parked', () => parked.count === 1)
  const phone = await connect(a.url, { uid: 'u' })
  await until('it reads what is parked', () => isReading)
  a.pause()
  assert.deepEqual((await b.server.cluster.push({ uid: 'u' }, 'two')).offline, [])
  await until('it was taken over', async () => (await b.server.cluster.nodes()).length === 1)
  await until('the other is parked', () => parked.count === 2)
  goOn()
  await until('it has read', () => hasRead)
  a.resume()
  await phone.waitFor(2)
  assert.deepEqual(phone.texts.toSorted(), ['one', 'two'])
  phone.socket.terminate()
})
