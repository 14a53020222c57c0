import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { parseAddress } from '../../src/drivers/redis/connection/address.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import { addressOf } from '../../src/standalone/config/driver.ts'

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

test('a URL of one server has its user, password and database', () => {
  assert.deepEqual(parseAddress('rediss://me:p%40s%2Fs@[::1]:7000/12'), {
    type: 'single',
    endpoint: { host: '::1', port: 7_000 },
    db: 12,
    isTls: true,
    credentials: { username: 'me', password: 'p@s/s' },
  })
  assert.deepEqual(parseAddress('redis://:a+b@redis.example/'), {
    type: 'single',
    endpoint: { host: 'redis.example', port: 6_379 },
    db: 0,
    isTls: false,
    credentials: { password: 'a+b' },
  })
})

test('a URL of a cluster names some of its members', () => {
  assert.deepEqual(parseAddress('redis+cluster://:secret@a:7000,b/0'), {
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
  ['127.0.0.1:6379', /give redis:\/\/.* redis\+sentinel:.* or redis\+cluster:/],
  ['/run/redis.sock', /give redis:\/\//],
  ['http://host', /give redis:\/\//],
  ['redis://', /write the host as HOST/],
  ['redis://host:port', /write the host as HOST/],
  ['redis://host:0', /write the host as HOST/],
  ['redis://[::g]', /write the host as HOST/],
  ['redis://ho st', /write the host as HOST/],
  ['redis://a,b', /name only one host/],
  ['redis://host/x', /the database must be a whole number, 0 or more/],
  ['redis://host/-1', /the database must be a whole number/],
  ['redis://host/1.5', /the database must be a whole number/],
  ['redis://host/1/2', /the database must be a whole number/],
  ['redis://host/%31', /the database must be a whole number/],
  ['redis://host?db=1', /parameter 1 is unknown in this URL, which takes none/],
  ['redis://host?enableReadyCheck=true', /is unknown in this URL/],
  ['redis://host/0#1', /write \/ \? # and @ .* as %2F/],
  ['redis://user@host', /write a colon before the password/],
  ['redis+sentinel://host:26379', /give the name of the master after the hosts: redis\+sentinel:/],
  ['redis+sentinel://host/main/x', /the database must be a whole number/],
  [
    'redis+sentinel://host/main?password=x',
    /parameter 1 is unknown in this URL, which takes only sentinelUsername and/,
  ],
  ['redis+sentinel://host/main?sentinelPassword=', /give \?sentinelPassword= once, with a value/],
  ['redis+sentinel://host/main?sentinelPassword=a&sentinelPassword=b', /once/],
  ['redis+cluster://host/1', /a cluster has only database 0/],
  ['redis+cluster://a,host:port', /write host 2 of 2 as HOST/],
  ['redis+cluster://host:99999', /write the host as HOST/],
  ['redis+cluster://user@host', /write a colon before the password/],
  ['redis+cluster://:50%@host', /write % as %25/],
] as const) {
  test(`${url} is refused with what to write`, () => {
    assert.throws(() => redis({ url }), { code: 'FLT_BAD_OPTION', message: says })
  })
}

test('a durability or an option that does not exist is refused', () => {
  const durability = 'disk' as 'memory'
  assert.throws(() => redis({ url: 'redis://host', durability }), {
    code: 'FLT_BAD_OPTION',
    message: /memory or replicated/,
  })
  const options = { url: 'redis://host', db: 1 }
  assert.throws(() => redis(options), { code: 'FLT_BAD_OPTION', message: /'db': redis has no such option/ })
  assert.throws(() => redis({} as { url: string }), { code: 'FLT_BAD_OPTION', message: /give redis:/ })
})

test('whatever is wrong with a URL, no piece of a password stands in the message', () => {
  const passwords = ['xyzzy', 'xyzzy/xyzzy', 'xyzzy?xyzzy=xyzzy', 'xyzzy#xyzzy', 'xyzzy@xyzzy', 'xyzzy:xyzzy', '%xyzzy']
  const places = [':P@host', 'me:P@host', 'P@host', ':P', 'P', 'host/P', 'host?P', 'host#P', ':P@host:x', 'a,P', '/P']
  for (const scheme of ['redis', 'rediss', 'redis+sentinel', 'redis+cluster', 'http'])
    for (const place of places)
      for (const password of passwords) {
        const url = `${scheme}://${place.replace('P', password)}`
        try {
          redis({ url })
        } catch (error) {
          assert.doesNotMatch(inspect(error), /xyzzy/, url)
        }
      }
})

test('a message that names the store holds no password', () => {
  for (const [url, shown] of [
    ['redis://:hunter2@host:6379/1', 'redis://host:6379/1'],
    ['redis://:hunter%2F2@host', 'redis://host:6379/0'],
    ['rediss+cluster://me:hunter2@a:1,[::1]', 'rediss+cluster://a:1,[::1]:6379'],
    [
      'redis+sentinel://me:hunter2@a,b/m?sentinelUsername=s&sentinelPassword=hunter2',
      'redis+sentinel://a:26379,b:26379/m/0',
    ],
  ] as const) {
    assert.equal(addressOf({ type: 'redis', url }), shown)
  }
})
