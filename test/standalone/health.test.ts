import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawRequest } from '../support/raw-request.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { caller } from './api-call.ts'
import { startFlotilla } from './flotilla.ts'

const secret = `--token-secret=${'s'.repeat(32)}`
const ask = (url: string, lines: string) => rawRequest(url, Buffer.from(`${lines}\r\n\r\n`))

test('/healthz and /readyz answer every probe that load balancers send', async (t) => {
  const { url } = await startFlotilla(t, ['--port=0', '--log-level=silent', secret])
  const { host } = new URL(url)
  const close = 'Connection: close'
  for (const path of ['/healthz', '/readyz', '/readyz?from=proxy', `http://${host}/readyz`])
    for (const method of ['GET', 'HEAD', 'OPTIONS'])
      for (const head of [
        'HTTP/1.0',
        'HTTP/1.0\r\nUser-Agent: check',
        `HTTP/1.1\r\n${close}\r\nHost:`,
        `HTTP/1.1\r\n${close}\r\nHost: ${host}`,
        `HTTP/1.1\r\n${close}\r\nHost: flotilla_nodes`,
        `HTTP/1.1\r\n${close}\r\nHost: 10.1.2.3:18308\r\nX-Forwarded-For: 10.9.9.9`,
      ]) {
        const { status, body } = await ask(url, `${method} ${path} ${head}`)
        const expected = method === 'HEAD' ? '' : '{"status":"ok"}'
        assert.deepEqual([status, body], [200, expected], `${method} ${path} ${head}`)
      }
  const posted = await ask(url, `POST /readyz HTTP/1.0\r\nContent-Length: 0`)
  assert.deepEqual([posted.status, /allow: get, head, options/.test(posted.headers)], [405, true])
  assert.equal((await ask(url, `GET /readyzz HTTP/1.1\r\n${close}\r\nHost: x`)).status, 404)
})

test('with --dev a probe needs no Host, but one that names another machine is refused', async (t) => {
  const { url } = await startFlotilla(t, ['--port=0', '--log-level=silent', '--dev'])
  const statusOf = async (lines: string) => (await ask(url, lines)).status
  assert.equal(await statusOf('GET /readyz HTTP/1.0'), 200)
  assert.equal(await statusOf('HEAD /healthz HTTP/1.0\r\nHost: localhost'), 200)
  for (const header of ['Host: evil.example', 'Host: 10.0.0.1', 'X-Forwarded-For: 203.0.113.7'])
    assert.equal(await statusOf(`GET /readyz HTTP/1.0\r\n${header}`), 403, header)
})

test('/readyz says in JSON why the node is not ready, and the log says it once', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const server = await startFlotilla(t, ['--port=0', '--log-level=warn', secret, '--redis', redis.url])
  const call = caller(server.url)
  await redis.kill9()
  await until('it is noticed', async () => (await call('GET', '/readyz')).status === 503)
  const { body } = await call('GET', '/readyz')
  const { status, reason, error } = body as { status: string; reason: string; error: { code: string } }
  assert.deepEqual([status, reason, error.code], ['not ready', 'store', 'FLT_STORE_AWAY'])
  server.child.kill('SIGKILL')
  const { stderr } = await server.ended
  assert.equal(stderr.match(/"not ready"/g)?.length, 1, stderr)
})
