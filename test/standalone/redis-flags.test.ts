import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Authority } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { startRedis } from '../support/redis.ts'
import { flotilla, startFlotilla, temporaryFolder } from './flotilla.ts'

const dev = ['--dev', '--port=0', '--connect-timeout=600000']

test('--redis-ca, --redis-cert and --redis-key reach a Redis that asks for certificates, and errors name the flags', async (t) => {
  const authority = Authority.make()
  t.after(() => authority.remove())
  const port = await freePort()
  const mine = authority.certify('mine', 'DNS:flotilla')
  const named = authority.certify('named', 'DNS:redis.internal')
  const redis = await startRedis(['--save', '', '--tls-port', String(port), ...authority.redisArgs(named, true)])
  t.after(() => redis.stop())
  const ca = `--redis-ca=${authority.caFile}`
  const pair = [`--redis-cert=${mine.certFile}`, `--redis-key=${mine.keyFile}`]
  const at = `--redis=rediss://127.0.0.1:${port}`
  const name = '--redis-servername=redis.internal'

  await startFlotilla(t, [...dev, `--redis=redis://127.0.0.1:${port}`, ca, name, ...pair])
  const folder = await temporaryFolder(t)
  const config = join(folder, 'flotilla.json')
  const { caFile: redisCa } = authority
  const settings = { redisCa, redisCert: mine.certFile, redisKey: mine.keyFile, redisServername: 'redis.internal' }
  await writeFile(config, JSON.stringify({ ...settings, redis: `rediss://127.0.0.1:${port}/1` }))
  await startFlotilla(t, [...dev, '--config', config])

  const place = `the store at rediss://127\\.0\\.0\\.1:${port}/0`
  const wrong: [flags: string[], code: number, says: string][] = [
    [[at], 1, `cannot use ${place}, --redis: the certificate of Redis .* as --redis-ca \\(self-signed.*\\)`],
    [[at, ca], 1, `cannot use ${place}, --redis: .* as --redis-servername \\(.*\\)`],
    [
      [at, ca, name],
      1,
      `cannot use ${place}, --redis: Redis asks for a certificate: give --redis-cert and --redis-key .*`,
    ],
    [[at.replace('rediss', 'redis')], 1, 'cannot use .*: this server expects TLS: write rediss:// .*'],
    [[`--redis=rediss://127.0.0.1:${redis.port}`], 1, 'cannot use .*: this Redis does not speak TLS at this port: .*'],
    [[at, `--redis-ca=${mine.keyFile}`], 2, '--redis-ca .* is not a certificate in PEM'],
    [
      [at, `--redis-ca=${folder}/none`],
      2,
      '--redis-ca: there is no such file; it takes the path of a file that can be read',
    ],
    [[at, pair[0]!], 2, '--redis-cert needs --redis-key, the private key in PEM'],
    [[at, pair[1]!], 2, '--redis-key needs --redis-cert, the certificate in PEM'],
    [
      [at, pair[0]!, `--redis-key=${named.keyFile}`],
      2,
      '--redis-key .* belongs to another certificate than --redis-cert: .*',
    ],
    [[at, '--redis-nat-map=a:1=b:2'], 2, '--redis-nat-map: one server names no others: .*'],
    [['--redis=redis+cluster://127.0.0.1', '--redis-nat-map=a=b'], 2, '--redis-nat-map: write each key as HOST:PORT'],
    [['--redis=redis+cluster://127.0.0.1', '--redis-nat-map=a:1'], 2, '--redis-nat-map takes pairs such as .*'],
    [[ca], 2, '--redis-ca needs --redis, the URL of Redis: give it as well'],
  ]
  // A few at a time, because each is a process.
  for (let start = 0; start < wrong.length; start += 3) {
    await Promise.all(
      wrong.slice(start, start + 3).map(async ([flags, code, says]) => {
        const ended = await flotilla(['start', ...dev, ...flags])
        assert.match(ended.stderr, new RegExp(`^${says}\\n$`))
        assert.equal(ended.code, code, ended.stderr)
      }),
    )
  }
})

test('a Redis that is not there, or is not reached, is one line with the cause', async () => {
  const port = await freePort()
  const away = (url: string) => flotilla(['start', '--dev', '--port=0', '--connect-timeout=600', '--redis', url])
  const [refused, unknown] = await Promise.all([
    away(`redis://127.0.0.1:${port}`),
    away('redis+sentinel://nowhere.invalid/main'),
  ])
  assert.equal(
    refused.stderr,
    `cannot reach the store at redis://127.0.0.1:${port}/0 within 600 ms (--redis): nothing listens at this address: start Redis there, or correct the host and port in the URL (connect ECONNREFUSED 127.0.0.1:${port})\n`,
  )
  assert.match(
    unknown.stderr,
    /^cannot reach .* \(--redis\): (no host has this name|the name of this host cannot be looked up).*\n$/,
  )
})

test('a warning of a Redis that may throw keys away is logged once the server has started', async (t) => {
  const redis = await startRedis(['--save', '', '--maxmemory-policy', 'allkeys-lru'])
  t.after(() => redis.stop())
  const { child, ended } = await startFlotilla(t, [
    '--token-secret=0123456789abcdef0123456789abcdef',
    '--port=0',
    `--redis=${redis.url}`,
  ])
  child.kill('SIGTERM')
  const { stderr } = await ended
  const lines = stderr.split('\n').filter((line) => line.includes('maxmemory-policy'))
  assert.equal(lines.length, 1, stderr)
  const { level, policy } = JSON.parse(lines[0]!) as { level: number; policy: string }
  assert.deepEqual([level, policy], [40, 'allkeys-lru'])
})
