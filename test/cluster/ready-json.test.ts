import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { flotilla } from '../standalone/flotilla.ts'
import type { TestNode } from '../support/start-node.ts'
import { until } from '../support/until.ts'
import { connectionsOf, startFleet } from './fleet.ts'

/** JSON that JavaScript would write differently from what it read, or not at all. */
const TEXTS = [
  '{"id":1285704473650888702}',
  '[10.0,1e2,-0,0.1000000000000000055,1e999]',
  '{"10":"ten","9":"nine","a":1}',
  '{ "spaces" : [ 1,\t2 ] }',
  '{"escapes":"\\u0041\\/\\ud800","\\u006d":"ж"}',
  '{"a":1,"a":2,"__proto__":{"b":3}}',
  '18446744073709551615',
]
const DEEP = 200_000
const deep = '['.repeat(DEEP) + ']'.repeat(DEEP)

async function post(node: TestNode, path: string, body: string): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(new URL(path, node.url), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  })
  return { status: answer.status, body: await answer.json() }
}

test('JSON goes out byte for byte as it came in', async (t) => {
  const fleet = await startFleet(t)
  const { a, b, c } = fleet
  const [here, there] = [await fleet.connect(a, { uid: 'u' }), await fleet.connect(b, { uid: 'u' })]
  let seen = 0
  const arrive = async (texts: readonly string[]): Promise<void> => {
    seen += texts.length
    for (const client of [here, there]) {
      await client.waitFor(seen)
      assert.deepEqual(client.received.slice(-texts.length), texts)
    }
  }

  await t.test('through /api/push, to clients of the node that took it and of another', async () => {
    for (const text of TEXTS) {
      assert.equal((await post(a, '/api/push', `{"uid":"u", "message" : ${text}\n}`)).status, 200)
    }
    await arrive(TEXTS)
  })

  await t.test('if several fields have the same name, the last counts, however it is spelled', async () => {
    await post(a, '/api/push', '{"message":{"message":1},"uid":"u","message":2,"m\\u0065ssage":{"message":3.0}}')
    await arrive(['{"message":3.0}'])
  })

  await t.test('through /api/push/batch', async () => {
    const pushes = TEXTS.map((text) => `{"message":${text},"uid":"u"}`).join(' , ')
    const { status } = await post(a, '/api/push/batch', `{"pushes":[{"uid":"u","message":0}],"pushes":[ ${pushes} ]}`)
    assert.equal(status, 200)
    await arrive(TEXTS)
  })

  await t.test('through the ingress stream', async (t) => {
    const redis = new Redis(fleet.redis.url)
    t.after(() => redis.disconnect())
    for (const text of TEXTS) await redis.xadd('flotilla:ingress', '*', 'body', `{"uid":"u","message":${text}}`)
    await arrive(TEXTS)
  })

  await t.test('an ingress entry that is not UTF-8 is set aside with its bytes unaltered', async () => {
    const redis = new Redis(fleet.redis.url)
    const body = Buffer.concat([Buffer.from('{"all":true,"message":["'), Buffer.of(0xff), Buffer.from('"]}')])
    await redis.xadd('flotilla:ingress', '*', 'body', body)
    await until('it is aside', async () => (await redis.xlen('flotilla:ingress:bad')) === 1)
    const [[, fields]] = (await redis.xrangeBuffer('flotilla:ingress:bad', '-', '+')) as [[Buffer, Buffer[]]]
    redis.disconnect()
    assert.deepEqual(fields[3], body)
  })

  await t.test('through flotilla push --json', async () => {
    for (const text of TEXTS) {
      const { code } = await flotilla(['push', '--uid', 'u', '--json', text, '--url', a.url, '--id', `cli ${text}`])
      assert.equal(code, 0)
    }
    await arrive(TEXTS)
  })

  await t.test('a string goes out as the text it stands for, even if it is spelled with escapes', async () => {
    await post(a, '/api/push', '{"uid":"u","message":"\\u0041\\n{\\"a\\": 1}"}')
    await arrive(['A\n{"a": 1}'])
  })

  await t.test('nested 200,000 deep', async () => {
    assert.equal((await post(a, '/api/push', `{"uid":"u","message":${deep},"id":"deep"}`)).status, 200)
    await arrive([deep])
  })

  await t.test('after a client that had not read it moved to another node', async () => {
    const stalled = await fleet.connect(c, { uid: 'moving' })
    stalled.pause()
    c.pause()
    const ids = TEXTS.map((text, n) => post(a, '/api/push', `{"uid":"moving","message":${text},"id":"moving ${n}"}`))
    for (const { status } of await Promise.all(ids)) assert.equal(status, 200)
    const moved = await fleet.connect(b, { uid: 'moving' })
    await c.kill9()
    await moved.waitFor(TEXTS.length)
    assert.deepEqual(moved.texts.toSorted(), TEXTS.toSorted())
    await until('only b has it', async () => (await connectionsOf(a, 'moving')).length === 1)
  })
})

/** Numbers that a double cannot hold also have several spellings. */
const BEYOND_DOUBLES = [
  {
    id: '64 bits',
    same: ['1285704473650888702', '1285704473650888702.0', '1285704473650888702E0', '1.285704473650888702e+18'],
    others: ['1285704473650888702.1', '1285704473650888703'],
  },
  { id: 'too large', same: ['1E400', '1e+400', '10.0e399'], others: ['1e401', '-1e400', '1e9007199254740993'] },
  { id: 'too small', same: ['1e-400', '1.0E-400', '0.1e-399'], others: ['1e-401', '0'] },
  { id: 'beyond counting', same: ['1e9007199254740993'], others: ['1e9007199254740992'] },
]

// Invariant I4: two spellings of one JSON value are one push.
test('an id stands for one push, however its JSON is spelled and whoever sends it; another digit is another push', async (t) => {
  const fleet = await startFleet(t)
  const client = await fleet.connect(fleet.b, { uid: 'u' })
  await using emitter = new Emitter({ driver: redisDriver({ url: fleet.redis.url }) })
  const pushed = async (message: string): Promise<unknown> => {
    const { status, body } = await post(fleet.a, '/api/push', `{"uid":"u","message":${message},"id":"order-42"}`)
    return status === 200 ? body : status
  }
  const first = await emitter.push({ uid: 'u' }, { price: 10, name: 'ж', list: [0.5] }, { id: 'order-42' })
  for (const same of [
    '{"price":10,"name":"ж","list":[0.5]}',
    '{ "price" : 10.0,\n "name" : "\\u0436", "list": [ 5e-1 ] }',
  ]) {
    assert.deepEqual(await pushed(same), first, same)
  }
  for (const other of ['{"price":10.1,"name":"ж","list":[0.5]}', '{"name":"ж","price":10,"list":[0.5]}']) {
    assert.equal(await pushed(other), 409, other)
  }
  const large = (digits: string, id = 'large'): Promise<{ status: number }> =>
    post(fleet.a, '/api/push', `{"uid":"u","message":${digits},"id":"${id}"}`)
  assert.equal((await large('1285704473650888702')).status, 200)
  assert.equal((await large('1285704473650888700')).status, 409)
  assert.equal((await large('1285704473650888702')).status, 200)
  for (const { id, same, others } of BEYOND_DOUBLES) {
    for (const spelling of same) assert.equal((await large(spelling, id)).status, 200, spelling)
    for (const other of others) assert.equal((await large(other, id)).status, 409, other)
  }
  await client.waitFor(2 + BEYOND_DOUBLES.length)
  assert.deepEqual(client.received, [
    '{"price":10,"name":"ж","list":[0.5]}',
    '1285704473650888702',
    ...BEYOND_DOUBLES.map(({ same }) => same[0]),
  ])
})
