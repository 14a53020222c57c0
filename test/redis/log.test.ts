import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { commonNumber, MAX_TERMS } from '../../src/drivers/log.ts'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis, type RedisDriverOptions } from '../../src/drivers/redis/redis.ts'
import type { State } from '../../src/drivers/state.ts'
import {
  appended,
  appendOf,
  groupLog,
  KEEP,
  mailbox,
  MINUTE,
  pageFrom,
  positionOf,
  rowsOf,
} from '../contracts/log/words.ts'
import { asUid, dormant, stage } from '../contracts/stage.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { startReplicaPair, startSentinels } from '../support/redis-sentinel.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { StoreProxy } from '../support/store-proxy.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'
import { atEnd } from './stage.ts'

const channel = groupLog('g')

function stateOf(t: TestContext, options: RedisDriverOptions, storeWait = 60_000): { state: State; keys: Keys } {
  const { state, settings } = stage(t, { driver: redis(options) }, { ...dormant, storeWait })
  return { state: state(), keys: new Keys(settings.prefix) }
}

describe('on one Redis', () => {
  const server = new SuiteRedis()

  // Invariant L2: it is in the log already if an earlier attempt was carried out.
  test('an append whose reply was lost is sent again, and the log has it once', async (t) => {
    await using proxy = await StoreProxy.start(Number(new URL(server.url).port))
    const { state } = stateOf(t, { url: proxy.url })
    await appended(state, channel, ['before'])
    proxy.loseRepliesFrom('unheard')
    const appends = state.append([appendOf(channel, 'unheard'), appendOf(mailbox('u'), 'unheard')])
    await until('Redis has appended it', async () => proxy.lostCount === 1)
    const { state: other } = stateOf(t, { url: server.url })
    await other.ping(60_000)
    await server.raw.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    assert.deepEqual(
      (await appends).map(({ number }) => number),
      [2, 1],
    )
    await appended(state, channel, ['after'])
    assert.deepEqual(rowsOf(await pageFrom(state, channel)), ['1 before', '2 unheard', '3 after'])
    assert.deepEqual(rowsOf(await pageFrom(state, mailbox('u'))), ['1 unheard'])
  })

  test('everything of a log expires: the messages after the time that they are kept for, the numbers after twice that', async (t) => {
    const { state, keys } = stateOf(t, { url: server.url })
    await appended(state, channel, ['a'], { for: 100_000, compact: true }, { key: 'k' })
    const { list, meta, subjects } = keys.log(channel)
    for (const [key, most] of [
      [list, 100_000],
      [subjects, 100_000],
      [meta, 200_000],
    ] as const) {
      const left = await server.raw.pttl(key)
      assert.ok(left > most / 2 && left <= most, `${left} ms of ${most}`)
    }
  })

  test('of many terms the last eight are known, and what was read in them counts up to where the next began', async (t) => {
    const { state, keys } = stateOf(t, { url: server.url })
    const { meta } = keys.log(channel)
    const answers = []
    for (let term = 0; term < 10; term++) {
      answers.push((await appended(state, channel, [`a${term}`, `b${term}`]))[1]!)
      // As if another server had appended what there is.
      const newest = String(await server.raw.hget(meta, 't'))
      await server.raw.hset(meta, 't', newest.replace(/^\w{8}/, `0000000${term}`))
    }
    const extent = (await state.extents([channel]))[0]!
    assert.equal(extent.terms.length, MAX_TERMS)
    assert.deepEqual(
      extent.terms.map(({ begin }) => begin),
      [5, 7, 9, 11, 13, 15, 17, 19],
    )
    assert.equal(new Set(extent.terms.map(({ name }) => name)).size, MAX_TERMS)
    assert.equal(commonNumber(extent, extent.terms[1]!.name, 100), 8)
    assert.equal(commonNumber(extent, extent.terms[1]!.name, 3), 3)
    assert.equal(commonNumber(extent, extent.terms.at(-1)!.name, 100), 20)
    assert.equal(commonNumber(extent, answers[0]!.term, 2), undefined)
  })

  // Invariant K9: a value that cannot be read counts as absent.
  test('what somebody else writes among the messages is read as nothing, and stops nobody', async (t) => {
    const { state, keys } = stateOf(t, { url: server.url })
    const { list, meta } = keys.log(mailbox('u'))
    const [first] = await appended(state, mailbox('u'), ['a', 'b'])
    await server.raw.rpush(list, 'x')
    await server.raw.hset(meta, 'cphone', 'x')
    await appended(state, mailbox('u'), ['c'])
    assert.equal(rowsOf(await pageFrom(state, mailbox('u'))).at(-1), '3 c')
    await state.moveCursors([{ uid: asUid('u'), device: 'laptop', ...positionOf(first!) }])
    assert.deepEqual(
      (await state.cursors(asUid('u'))).map(({ device }) => device),
      ['laptop'],
    )
    await server.raw.hset(meta, 'b', 'x', 'a', 'x', 's', 'x', 't3', 'x')
    assert.equal((await appended(state, mailbox('u'), ['d']))[0]!.number, 4)
  })

  // Invariant L3: numbers never begin again unnoticed.
  test('a log whose numbers were lost begins another epoch, without the messages that are left of it', async (t) => {
    const { state, keys } = stateOf(t, { url: server.url })
    const [before] = await appended(state, channel, ['a', 'b', 'c'])
    await server.raw.del(keys.log(channel).meta)
    const [after] = await appended(state, channel, ['d'])
    assert.equal(after!.number, 1)
    assert.notEqual(after!.epoch, before!.epoch)
    assert.deepEqual(rowsOf(await pageFrom(state, channel)), ['1 d'])
    assert.equal(await state.erase(channel, positionOf(before!)), false)
  })

  test('an append costs the same however many messages the log has, and one call however many there are', async (t) => {
    const { state } = stateOf(t, { url: server.url })
    const callsOf = async (work: () => Promise<unknown>): Promise<number> => {
      await server.raw.config('RESETSTAT')
      await work()
      const calls = (await server.raw.info('commandstats')).matchAll(/cmdstat_(\w+):calls=(\d+)/g)
      return [...calls].reduce((sum, [, name, count]) => (name === 'config' ? sum : sum + Number(count)), 0)
    }
    const one = (): Promise<unknown> => appended(state, channel, ['x'])
    await one()
    const few = await callsOf(one)
    await state.append(Array.from({ length: 500 }, (_, index) => appendOf(channel, `m${index}`)))
    assert.equal(await callsOf(one), few)
    await callsOf(() => state.append(Array.from({ length: 90 }, (_, index) => appendOf(mailbox(`u${index}`), 'x'))))
    assert.match(await server.raw.info('commandstats'), /cmdstat_evalsha:calls=1,/)
  })
})

/** A store whose master dies without having given its last writes to the replica, which takes over. */
interface Failover {
  readonly url: string
  readonly stop: () => Promise<void>
  readonly servers: () => Promise<{ master: RedisServer; replica: RedisServer }>
  readonly over: (master: RedisServer) => Promise<void>
}

async function sentinels(): Promise<Failover> {
  const trio = await startSentinels()
  const { url } = trio
  return { url, stop: () => trio.stop(), servers: () => trio.roles(), over: (master) => trio.failedOver(master) }
}

async function cluster(key: string): Promise<Failover> {
  const cluster = await startCluster()
  const servers = async (): Promise<{ master: RedisServer; replica: RedisServer }> => {
    const master = await cluster.masterOf(key)
    return { master, replica: await cluster.replicaOf(master) }
  }
  return { url: cluster.url, stop: () => cluster.stop(), servers, over: (from) => cluster.failedOver(key, from) }
}

for (const [name, start] of [
  ['sentinels', sentinels],
  ['a cluster', () => cluster(new Keys('any').log(channel).meta)],
] as const) {
  // Invariant L5: another history begins a term.
  test(`with ${name}, a replica that takes over without the last appends begins a term with their numbers`, async (t) => {
    const store = await start()
    atEnd(t, () => store.stop())
    const { state } = stateOf(t, { url: store.url })
    const kept = await appended(state, channel, ['1', '2', '3'])
    const { master, replica } = await store.servers()
    const raw = new Redis(master.url)
    raw.on('error', () => {})
    atEnd(t, () => raw.disconnect())
    await raw.wait(1, 60_000)
    replica.pause()
    // Otherwise commands that are sent to it would wait in its socket.
    await raw.call('CLIENT', 'KILL', 'TYPE', 'replica')
    const lost = await appended(state, channel, ['lost 4', 'lost 5', 'lost 6'])
    assert.equal(lost[2]!.term, kept[0]!.term)
    await master.kill9()
    replica.resume()
    await store.over(master)

    const news = await appended(state, channel, ['new 4', 'new 5', 'new 6'])
    assert.deepEqual(
      news.map(({ number, epoch }) => [number, epoch]),
      [4, 5, 6].map((number) => [number, kept[0]!.epoch]),
    )
    assert.notEqual(news[0]!.term, kept[0]!.term)
    const page = await pageFrom(state, channel)
    assert.deepEqual(rowsOf(page), ['1 1', '2 2', '3 3', '4 new 4', '5 new 5', '6 new 6'])
    assert.deepEqual(page.terms, [
      { name: kept[0]!.term, begin: 1 },
      { name: news[0]!.term, begin: 4 },
    ])
    assert.equal(commonNumber(page, lost[1]!.term, 5), 3, 'what was read as 4 and 5 is forgotten')
    assert.equal(await state.erase(channel, positionOf(lost[1]!)), false)
    assert.equal(await state.erase(channel, positionOf(news[1]!)), true)
  })
}

test('in a cluster, a log moves to another master with its numbers', async (t) => {
  const cluster = await startCluster([], { replicas: false })
  atEnd(t, () => cluster.stop())
  const { state, keys } = stateOf(t, { url: cluster.url })
  const [first] = await appended(state, channel, ['1'])
  const { meta } = keys.log(channel)
  const source = await cluster.masterOf(meta)
  const target = cluster.servers.find((server) => server !== source)!
  await cluster.beginToMove(meta, target)
  const halfway = appended(state, channel, ['2'])
  while (await cluster.moveKeys(meta, target));
  await cluster.finishMove(meta, target)
  await halfway
  const [last] = await appended(state, channel, ['3'])
  assert.deepEqual([last!.number, last!.epoch], [3, first!.epoch])
  const page = await pageFrom(state, channel)
  assert.deepEqual(rowsOf(page), ['1 1', '2 2', '3 3'])
  assert.equal(commonNumber(page, first!.term, 1), 1)
})

// Invariant K6: an append counts once a replica has it.
test('a replicated append counts once the replica has it; one that is tried again after that is the same', async (t) => {
  const pair = await startReplicaPair()
  atEnd(t, () => pair.stop())
  const { state } = stateOf(t, { url: pair.master.url, durability: 'replicated' }, 2_000)
  await appended(state, channel, ['1'])
  pair.replica.pause()
  await assert.rejects(appended(state, channel, ['2']), { code: 'FLT_STORE_AWAY', message: /no replica/ })
  pair.replica.resume()
  const again = { channel, keep: KEEP, message: appendOf(channel, '2').message, triedAgo: MINUTE }
  await until('the replica is back', async () => {
    const answers = await state.append([again]).catch(() => undefined)
    return answers?.[0]?.number === 2
  })
  assert.deepEqual(rowsOf(await pageFrom(state, channel)), ['1 1', '2 2'])
})

test('a Redis that starts again empty has other epochs', async (t) => {
  const server = await startRedis()
  atEnd(t, () => server.stop())
  const { state } = stateOf(t, { url: server.url })
  const [before] = await appended(state, channel, ['a', 'b'])
  await server.restart({ empty: true })
  const [extent] = await state.extents([channel])
  assert.deepEqual([extent!.top, extent!.terms], [0, []])
  const [after] = await appended(state, channel, ['c'])
  assert.equal(after!.number, 1)
  assert.notEqual(after!.epoch, before!.epoch)
})
