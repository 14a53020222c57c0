import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import { partitionOf } from '../../src/envelope/ids.ts'
import { memberHere, userHere, whereIsGroup } from '../contracts/routes/words.ts'
import { asUid, calm, joined, newConnection, stage } from '../contracts/stage.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'

const server = new SuiteRedis()

/** Changes the rights of the user who writes. */
async function allow(...rules: readonly string[]): Promise<void> {
  await server.raw.call('ACL', 'SETUSER', 'writer', ...rules)
}

async function refusalCount(): Promise<number> {
  return Number(/errorstat_NOPERM:count=(\d+)/.exec(await server.raw.info('errorstats'))?.[1] ?? 0)
}

// Invariant R2: a write has ended on every server before the next begins.
test('a write that fails in part does not fail before its other part has ended', async (t) => {
  await allow('on', '>secret', '~*', '+@all')
  const url = server.url.replace('//', '//writer:secret@')
  const { settings, state } = stage(t, { driver: redis({ url }) }, calm)
  const [one, keys] = [state(), new Keys(settings.prefix)]
  const node = await joined(one)
  // The user cannot be written, because something else stands there, and the group only once it is allowed again.
  const partition = partitionOf('u')
  await server.raw.lpush(keys.route(partition, asUid('u')), 'foreign')
  await allow('resetkeys', `~${keys.epoch(partition).replace(/e$/, '*')}`)
  let hasFailed = false
  const writing = one.apply(node, [userHere('u'), memberHere('g', newConnection('u'))])
  writing.catch(() => (hasFailed = true))
  const before = await refusalCount()
  // The user's part is answered before the group's is sent again.
  await until('the group was refused again', async () => (await refusalCount()) >= before + 2)
  assert.equal(hasFailed, false)
  await allow('allkeys')
  await assert.rejects(writing, { code: 'FLT_INTERNAL' })
  assert.deepEqual(await whereIsGroup(one, 'g'), [node])
})
