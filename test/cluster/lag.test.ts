import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { createServer, defineModule, isFlotillaError } from '../../src/index.ts'
import { connect } from '../../src/testing.ts'
import { Plug } from '../fuzz/cluster/plug.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const TIMES = { heartbeat: 1_000, deadAfter: 60_000, storeWait: 60_000 }
const ws = defineModule('/ws', {
  handshake(ctx) {
    ctx.uid = 'u'
    ctx.groups.add('g')
  },
})

test('pushes to a node that is behind by more than `maxLag` are refused with that reason; those taken come in order', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const driver = redisDriver({ url: redis.url })
  const plug = new Plug(driver)
  await using server = createServer({ modules: [ws], ...TIMES, driver: plug.driver })
  await using emitter = new Emitter({ driver, storeWait: 60_000, heartbeat: 20, deadAfter: 60, maxLag: 60 })
  const client = await connect(`${await server.listen(0)}/ws`)
  t.after(() => client.close())
  for (const target of [{ uid: 'u' }, { group: 'g' }, { all: true }] as const) {
    plug.hold()
    const taken: string[] = []
    let refusal: unknown
    await until('one is refused', async () => {
      const text = `${JSON.stringify(target)} ${taken.length}`
      await emitter.push(target, text).then(
        () => taken.push(text),
        (error: unknown) => (refusal = error),
      )
      return refusal !== undefined
    })
    assert.ok(isFlotillaError(refusal), String(refusal))
    assert.deepEqual([refusal.code, refusal.status, refusal.retry], ['FLT_INBOX_BEHIND', 503, true])
    assert.match(refusal.message, /maxLag/)
    if (!('all' in target)) assert.deepEqual(refusal.details, { stored: [], refused: [server.cluster.self] })
    plug.letGo()
    for (const text of taken) assert.equal(await client.next(), text)
    await until('they are taken again', () =>
      emitter.push(target, 'again').then(
        () => true,
        () => false,
      ),
    )
    assert.equal(await client.next(), 'again')
  }
})
