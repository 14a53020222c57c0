import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createServer } from '../../src/index.ts'
import { createMetrics } from '../../src/standalone/http/metrics.ts'
import { connect } from '../support/connect.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { API_KEY, SECRET, tokenFor } from './api-call.ts'
import { startFlotilla, temporaryFolder } from './flotilla.ts'

const flags = ['--port=0', `--token-secret=${SECRET}`, '--log-level=silent', '--groups-claim=groups']

test('metrics are Prometheus text with the counts of the server', async (t) => {
  const { url } = await startFlotilla(t, [...flags, `--api-key=${API_KEY}`])
  for (const uid of ['ann', 'ann', 'bob']) {
    const client = await connect(url, { token: await tokenFor(uid, { groups: ['red'] }) })
    t.after(() => client.vanish())
  }
  const headers = { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json' }
  const body = JSON.stringify({ group: 'red', message: 'x' })
  assert.equal((await fetch(`${url}/api/push`, { method: 'POST', headers, body })).status, 200)
  for (let scrape = 0; scrape < 2; scrape++) {
    const answer = await fetch(`${url}/metrics`, { headers })
    assert.equal(answer.status, 200)
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    const text = await answer.text()
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
    const gauges = ['connections', 'users', 'groups', 'nodes'].map((name) => value(`flotilla_${name}`))
    assert.deepEqual(gauges, [3, 2, 1, 1])
    assert.deepEqual(
      [value('flotilla_pushes_total'), value('flotilla_delivered_total')],
      [1, 3],
      'scraping adds nothing',
    )
    const calm = ['waiting_bytes', 'pushes_delayed_total', 'pushes_refused_total']
    const fast = ['dropped_total', 'collapsed_total', 'too_slow_total', 'lagged_total']
    for (const name of [...calm, ...fast]) assert.equal(value(`flotilla_${name}`), 0, name)
  }
})

test('metrics ask for the key, wherever the request seems to come from', async (t) => {
  const { url } = await startFlotilla(t, [...flags, `--api-key=${API_KEY}`])
  const status = async (headers: Record<string, string>) => (await fetch(`${url}/metrics`, { headers })).status
  assert.equal(await status({}), 401, 'a proxy on this machine may not say for whom it forwards')
  assert.equal(await status({ authorization: 'Bearer wrong' }), 401)
  assert.equal(await status({ authorization: `Bearer ${API_KEY}` }), 200)
})

test('without a key metrics are off, and say what to do', async (t) => {
  const { url } = await startFlotilla(t, flags)
  const answer = await fetch(`${url}/metrics`)
  assert.equal(answer.status, 403)
  assert.match(await answer.text(), /"FLT_FORBIDDEN".*--api-key.*--metrics-open/)
})

test('--metrics-open and --dev serve metrics without a key, and --metrics-open opens nothing else', async (t) => {
  const open = await startFlotilla(t, [...flags, `--api-key=${API_KEY}`], { env: { FLOTILLA_METRICS_OPEN: 'true' } })
  assert.equal((await fetch(`${open.url}/metrics`)).status, 200)
  assert.equal((await fetch(`${open.url}/api/stats`)).status, 401)
  const dev = await startFlotilla(t, ['--port=0', '--dev', '--log-level=silent'])
  assert.equal((await fetch(`${dev.url}/metrics`)).status, 200)
})

test('metrics and stats count pushes that the store is too slow for', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const folder = await temporaryFolder(t)
  const config = join(folder, 'flotilla.json')
  await writeFile(config, JSON.stringify({ maxWaitingBytes: 4_096, storeWait: 20_000 }))
  const { url } = await startFlotilla(t, [
    '--dev',
    '--port=0',
    '--redis',
    redis.url,
    '--config',
    config,
    '--log-level=silent',
  ])
  const pushes = Array.from({ length: 10 }, (_, n) => ({ uid: `u${n}`, message: 'x'.repeat(1_000) }))
  redis.pause()
  const headers = { 'Content-Type': 'application/json' }
  const answer = fetch(`${url}/api/push/batch`, { method: 'POST', headers, body: JSON.stringify({ pushes }) })
  const value = async (name: string): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text()
    return Number(new RegExp(`^flotilla_${name} (\\S+)$`, 'm').exec(text)?.[1])
  }
  await until('some find no room', async () => (await value('pushes_refused_total')) > 0)
  assert.deepEqual([await value('pushes_delayed_total'), await value('pushes_refused_total')], [3, 4])
  const waiting = await value('waiting_bytes')
  assert.ok(waiting > 3_000 && waiting <= 4_096, `${waiting}`)
  redis.resume()
  const { results } = (await (await answer).json()) as { results: { error?: { code: string } }[] }
  assert.deepEqual(
    results.map(({ error }) => error?.code),
    [...Array.from({ length: 6 }, () => undefined), ...Array.from({ length: 4 }, () => 'FLT_OVERLOADED')],
  )
  assert.equal(await value('waiting_bytes'), 0)
})

/** What prom-client keeps of a metric, but does not declare. */
interface Listed {
  readonly name: string
  readonly type: string
  readonly labelNames: readonly string[]
}

test('docs/metrics.md lists every metric with its type, unit and labels, and no others', async (t) => {
  const server = createServer({ modules: [] })
  t.after(() => server.close())
  const metrics = createMetrics(server, () => 0).getMetricsAsArray() as unknown as readonly Listed[]
  const listed = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
  const rows = [...listed.matchAll(/^\| `(\w+)`\s*\|([^|]*)\|([^|]*)\|([^|]*)\|/gm)]
  const inDocs = rows.map(([, name, ...cells]) => [name, ...cells.map((cell) => cell.trim())].join(' '))
  const given = metrics.map(({ name, type, labelNames }) => {
    // Things that are counted have units of their own, such as connections, which a name does not end in.
    const counted = inDocs.find((row) => row.startsWith(`${name} `))?.split(' ')[2]
    const unit = /_(bytes|seconds)(?:_total)?$/.exec(name)?.[1] ?? counted
    return `${name} ${type} ${unit} ${labelNames.map((label) => `\`${label}\``).join(' ')}`
  })
  assert.deepEqual(inDocs.toSorted(), given.toSorted())
})
