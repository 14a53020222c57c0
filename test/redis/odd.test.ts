import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Child } from '../support/child.ts'
import { typescript } from '../support/typescript.ts'
import { behaviours, startOddServers } from './odd-servers.ts'

const host = fileURLToPath(new URL('attached-host.ts', import.meta.url))

/**
 * The outcomes of `ready` and of three pushes, for each server. At the start, nobody waits longer than `patience` ms
 * for the store.
 */
async function outcomesOf(urls: readonly string[], patience: number): Promise<Map<string, string[]>> {
  const child = new Child(process.execPath, [...typescript, host, String(patience), ...urls])
  const { code, signal } = await child.exited
  assert.deepEqual({ code, signal, stderr: child.stderr }, { code: 0, signal: null, stderr: '' })
  return new Map(JSON.parse(child.stdout) as [string, string[]][])
}

test('a URL that is wrong throws where the driver is made, and never where nobody can catch it', async () => {
  const urls = [
    '/x/y',
    '/0/1/2',
    '/%',
    '/m/NaN',
    '/m/-1',
    '/m/1e3',
    '?db=x',
    '?family=9',
    '?tls=1',
    '?retryStrategy=x',
    '#x',
    ':x',
    ':0',
  ]
  const all = ['redis', 'rediss', 'redis+sentinel', 'redis+cluster'].flatMap((scheme) =>
    urls.map((rest) => `${scheme}://127.0.0.1${rest}`),
  )
  const outcomes = await outcomesOf([...all, 'redis://', 'redis://:@', 'redis://:%@host', '/tmp/redis.sock'], 1_000)
  for (const [url, said] of outcomes) assert.deepEqual(said, ['FLT_BAD_OPTION'], url)
})

const LASTING = [
  'greets as SSH does',
  'echoes',
  'pushes as RESP3 does',
  'speaks before it is asked',
  'is protected',
  'asks for a password',
  'knows no command',
  'is a web server',
]

test('a server that is not a Redis, or that refuses everybody, is an error at once', async (t) => {
  const { ports, stop } = await startOddServers()
  t.after(stop)
  const urls = new Map(LASTING.map((name) => [`redis://127.0.0.1:${ports.get(name)}`, name]))
  // If Flotilla had waited for this to pass, the code would be another.
  for (const [url, [ready]] of await outcomesOf([...urls.keys()], 60_000)) {
    assert.equal(ready, 'FLT_BAD_OPTION', urls.get(url))
  }
})

for (const scheme of ['redis', 'rediss', 'redis+sentinel', 'redis+cluster'])
  test(`${scheme}: whatever answers in the place of Redis, the host of an attached server lives, and nothing is printed`, async (t) => {
    const { ports, stop } = await startOddServers()
    t.after(stop)
    const rest = scheme.endsWith('sentinel') ? '/main?sentinelPassword=x' : ''
    const urls = Array.from(ports.values(), (port) => `${scheme}://me:PASSWORD@127.0.0.1:${port}${rest}`)
    assert.equal((await outcomesOf(urls, 2_000)).size, Object.keys(behaviours).length)
  })
