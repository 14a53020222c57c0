import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '../support/connect.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { caller, errorOf } from './api-call.ts'
import { flotilla, startFlotilla } from './flotilla.ts'

test('two servers with one Redis are a cluster', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const flags = ['--dev', '--log-level=silent', '--port=0', '--redis', redis.url]
  const [one, other] = await Promise.all([startFlotilla(t, flags), startFlotilla(t, flags)])
  const apart = await startFlotilla(t, [...flags, '--prefix=apart'])
  const client = await connect(other.url, { uid: 'ann', groups: ['red'] })
  t.after(() => client.vanish())

  const { body } = await caller(one.url)('GET', '/api/nodes')
  const { nodes } = body as { nodes: { node: string; url: string }[] }
  const expected = [one, other].map(({ node, url }) => ({ node, url }))
  const byNode = (a: { node: string }, b: { node: string }) => a.node.localeCompare(b.node)
  assert.deepEqual(nodes.map(({ node, url }) => ({ node, url })).toSorted(byNode), expected.toSorted(byNode))

  const pushed = await flotilla(['push', '--group', 'red', 'hello red', '--url', one.url])
  assert.equal(pushed.code, 0, pushed.stderr)
  assert.equal((JSON.parse(pushed.stdout) as { nodeCount: number }).nodeCount, 1)
  assert.equal(await client.next(), 'hello red')
  const json = await flotilla(['push', '--uid=ann', '--uid=bob', '{"n":1}', '--json', '--id=once', '--url', one.url])
  assert.deepEqual((JSON.parse(json.stdout) as { offline: string[] }).offline, ['bob'])
  assert.equal(await client.next(), '{"n":1}')
  const elsewhere = await flotilla(['push', '--uid=ann', 'x', '--url', apart.url])
  assert.deepEqual((JSON.parse(elsewhere.stdout) as { offline: string[] }).offline, ['ann'], 'another prefix')
  const refused = await flotilla(['push', '--uid', '', 'x', '--url', one.url])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /^FLT_BAD_TARGET: uid is empty.*\n$/)
})

test('while the store is away the API answers 503, and it works again once the store is back', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const env = { FLOTILLA_REDIS: redis.url }
  const { url } = await startFlotilla(t, ['--dev', '--log-level=silent', '--port=0'], { env })
  const call = caller(url)
  await until('it is ready', async () => (await call('GET', '/readyz')).status === 200)
  await redis.kill9()
  await until('it is noticed', async () => (await call('GET', '/readyz')).status === 503)
  assert.equal((await call('GET', '/healthz')).status, 200, 'the process lives')
  const push = await call('POST', '/api/push', { uid: 'ann', message: 'x' })
  assert.deepEqual([push.status, errorOf(push).code], [503, 'FLT_STORE_AWAY'])
  assert.equal(push.headers['retry-after'], '1')
  const metrics = await fetch(`${url}/metrics`)
  assert.equal(metrics.status, 200)
  assert.doesNotMatch(await metrics.text(), /^flotilla_nodes /m, 'an unknown number is left out')
  await redis.restart({ empty: true })
  await until('it is ready again', async () => (await call('GET', '/readyz')).status === 200)
  await until(
    'it takes pushes again',
    async () => (await call('POST', '/api/push', { uid: 'ann', message: 'x' })).status === 200,
  )
})

test('a server that Redis refuses ends with exit code 1 and one line that quotes Redis, even if it may wait for long', async (t) => {
  const redis = await startRedis(['--save', '', '--databases', '1'])
  t.after(() => redis.stop())
  const flags = ['--dev', '--port=0', '--connect-timeout=600000']
  const first = await startFlotilla(t, [...flags, '--redis', `${redis.url}/0`])
  const { code, stdout, stderr } = await flotilla(['start', ...flags, '--redis', `${redis.url}/1`])
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(
    stderr,
    /^cannot use the store at redis:.*\/1, --redis: .*\(Redis said: ERR DB index is out of range\)\n$/,
  )
  const { body } = await caller(first.url)('GET', '/api/nodes')
  assert.equal((body as { nodes: unknown[] }).nodes.length, 1)
  const misspelt = await flotilla(['start', ...flags, '--redis', `${redis.url}/one`])
  assert.equal(misspelt.code, 2)
  assert.match(misspelt.stderr, /^--redis: the database must be a whole number, 0 or more.*\n$/)
})
