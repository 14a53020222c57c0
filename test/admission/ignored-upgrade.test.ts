import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer as createHttp, type IncomingMessage, request, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { createServer, defineModule } from '../../src/index.ts'

const http: RequestListener = (incoming, response) => {
  void text(incoming).then((body) => response.end(`${incoming.method} ${incoming.url} ${body}`))
}
const modules = [defineModule('/ws', {})]

function noWarnings(t: TestContext): Error[] {
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  t.after(() => process.off('warning', warned))
  return warnings
}

async function offerH2c(t: TestContext, port: number): Promise<void> {
  const warnings = noWarnings(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const headers = {
    connection: 'Upgrade, HTTP2-Settings',
    upgrade: 'h2c',
    'http2-settings': 'AAMAAABkAAQCAAAAAAIAAAAA',
  }
  const ports = new Set<number | undefined>()
  const ask = async (path: string, body: string): Promise<[status: number | undefined, body: string]> => {
    const call = request({ agent, host: '127.0.0.1', port, method: 'POST', path, headers })
    for (const half of [body.slice(0, body.length / 2), body.slice(body.length / 2)]) call.write(half)
    call.end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    ports.add(answer.socket.localPort)
    return [answer.statusCode, await text(answer)]
  }
  for (let count = 0; count < 30; count++) {
    const body = String(count).repeat(100_000)
    assert.deepEqual(await ask('/api?a=b', body), [200, `POST /api?a=b ${body}`])
  }
  assert.equal(ports.size, 1)
  assert.deepEqual(warnings, [])
  // At the path of a module this counts as a handshake, and as a bad one.
  assert.equal((await ask('/ws', 'x'))[0], 400)
}

test('an HTTP request that offers h2c is answered as if it did not, many times on one connection', async (t) => {
  const server = createServer({ modules, http })
  const url = await server.listen(0)
  t.after(() => server.close())
  await offerH2c(t, Number(new URL(url).port))
})

test('attaching to a server does not change its answers to HTTP requests that offer h2c', async (t) => {
  const theirs = createHttp(http).listen(0, '127.0.0.1')
  await once(theirs, 'listening')
  t.after(() => theirs.close())
  const server = createServer({ modules }).attach(theirs)
  t.after(() => server.close())
  await offerH2c(t, (theirs.address() as AddressInfo).port)
})
