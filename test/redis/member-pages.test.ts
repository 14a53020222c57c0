import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redis } from '../../src/drivers/redis/redis.ts'
import { memberHere } from '../contracts/routes/words.ts'
import { asGroup, calm, joined, newConnection, stage } from '../contracts/stage.ts'
import { StoreCalls } from '../support/store-calls.ts'
import { SuiteRedis } from '../support/suite-redis.ts'

const MEMBERS = 4_000
const LIMIT = 100

const server = new SuiteRedis()

test('a page of a large group costs its own members, a few calls, and a scan of as many', async (t) => {
  const one = stage(t, { driver: redis({ url: server.url }) }, calm).state()
  const nodes = [await joined(one), await joined(one)]
  const records = Array.from({ length: MEMBERS }, () => newConnection())
  for (const [index, node] of nodes.entries()) {
    const here = records.filter((_, at) => at % 2 === index)
    await one.apply(
      node,
      here.map((record) => memberHere('g', record)),
    )
  }
  const log = await StoreCalls.start(server.url)
  const seen = new Set<string>()
  let [pageCount, cursor] = [0, undefined as string | undefined]
  do {
    const page = await one.members(asGroup('g'), LIMIT, cursor)
    assert.ok(page.members.length <= LIMIT && page.memberCount === MEMBERS)
    for (const { connection } of page.members) seen.add(connection)
    cursor = page.cursor
    pageCount++
  } while (cursor !== undefined)
  await log.stop()
  assert.equal(seen.size, MEMBERS)
  assert.ok(pageCount <= MEMBERS / LIMIT + nodes.length, `${pageCount} pages`)
  let scanned = 0
  for (const { name, args } of log.byClients) {
    assert.match(name, /^(hkeys|hlen|hscan|hmget)$/)
    assert.ok(name !== 'hkeys' || args[0]!.includes(':gr:'))
    if (name === 'hscan') scanned += Number(args.at(-1))
    if (name === 'hmget') scanned += args.length - 1
  }
  assert.ok(scanned <= 1.5 * MEMBERS, `${scanned} were asked for in all`)
  assert.ok(log.byClients.length <= 6 * pageCount, `${log.byClients.length} calls`)
  assert.deepEqual(log.byScripts, [])
})
