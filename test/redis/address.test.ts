import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../../src/drivers/redis/address.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import { addressOf } from '../../src/standalone/driver.ts'

test('a URL with sentinels names them, the master and the database', () => {
  const address = parseAddress(
    'rediss+sentinel://me:p%40ss@a.example:26380,b.example,[::1]:26381/main/3?sentinelPassword=s%3D1',
  )
  assert.deepEqual(address, {
    type: 'sentinel',
    sentinels: [
      { host: 'a.example', port: 26_380 },
      { host: 'b.example', port: 26_379 },
      { host: '::1', port: 26_381 },
    ],
    name: 'main',
    db: 3,
    isTls: true,
    credentials: { username: 'me', password: 'p@ss' },
    sentinelCredentials: { password: 's=1' },
  })
})

test('a URL of a cluster names some of its members', () => {
  assert.deepEqual(parseAddress('redis+cluster://:secret@a:7000,b/'), {
    type: 'cluster',
    members: [
      { host: 'a', port: 7_000 },
      { host: 'b', port: 6_379 },
    ],
    isTls: false,
    credentials: { password: 'secret' },
  })
})

for (const [url, says] of [
  ['127.0.0.1:6379', /give redis:\/\/host:6379, redis\+sentinel:.* or redis\+cluster:/],
  ['redis+sentinel://host:26379', /name the master behind the hosts: redis\+sentinel:/],
  ['redis+sentinel://host/main/x', /name the master/],
  ['redis+sentinel://host/main?password=x', /\?password= is not known here: there are sentinelUsername and/],
  ['redis+cluster://host/1', /a cluster has no databases/],
  ['redis+cluster://host:port', /"host:port" is no host/],
  ['redis+cluster://host:99999', /is no host/],
  ['redis+cluster://user@host', /the password stands behind a colon/],
  ['redis+cluster://:50%@host', /write % as %25/],
] as const) {
  test(`${url} is refused with what to write`, () => {
    assert.throws(() => redis({ url }), { code: 'FLT_BAD_OPTION', message: says })
  })
}

test('a durability that there is none of is refused', () => {
  const durability = 'disk' as 'memory'
  assert.throws(() => redis({ url: 'redis://host', durability }), {
    code: 'FLT_BAD_OPTION',
    message: /memory or replicated/,
  })
})

test('no password stands in a message', () => {
  for (const [url, shown] of [
    ['redis://:hunter2@host:6379/1', 'redis://:***@host:6379/1'],
    ['redis+cluster://me:hunter2@a:1,b:2', 'redis+cluster://me:***@a:1,b:2'],
    [
      'redis+sentinel://me:hunter2@a,b/m?sentinelUsername=s&sentinelPassword=hunter2',
      'redis+sentinel://me:***@a,b/m?sentinelUsername=s&sentinelPassword=***',
    ],
    ['redis://a:b@host?password=hunter2', 'redis://a:***@host?password=***'],
  ] as const) {
    assert.equal(addressOf({ type: 'redis', url }), shown)
  }
})
