import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { ClientAddress } from '../../src/admission/client-address.ts'
import { defineModule, type Logger, type ServerOptions } from '../../src/index.ts'
import { startTestServer } from '../../src/testing.ts'
import { exchange, upgrade } from '../attacks/wire.ts'

const quiet = defineModule('/ws', {})
const told = defineModule('/told', { handshake: (ctx) => new Response(ctx.ip, { status: 403 }) })
const start = (options: Partial<ServerOptions> = {}) =>
  startTestServer({ modules: [quiet, told], trustProxy: ['127.0.0.1'], ...options })
const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } })

test('behind a proxy that adds ports, each client counts by its own address', async () => {
  await using server = await start({ maxConnectionsPerIp: 1 })
  await server.connect('/ws', from('1.2.3.4:5678'))
  await assert.rejects(server.connect('/ws', from('1.2.3.4:9999')), /429/)
  await server.connect('/ws', from('1.2.3.5:5678'))
  await server.connect('/ws', from('"[2001:db8::1]:443"'))
  await assert.rejects(server.connect('/ws', from('[2001:DB8:0::2]:80,')), /429/)
  await server.connect('/ws', from('[2001:db8:0:1::1]'))
})

test('an address is the same in every spelling, also over several header lines and with extra commas', async () => {
  await using server = await start()
  const ways: [address: string, ...lines: string[]][] = [
    ['1.2.3.4', '9.9.9.9, 1.2.3.4:80 ,, '],
    ['1.2.3.4', '::FFFF:1.2.3.4'],
    ['1.2.3.4', '"[0:0:0:0:0:ffff:0102:0304]:443"'],
    ['2001:db8::1', '2001:0DB8:0000:0000:0000:0000:0000:0001'],
    ['fe80::1', '[fe80::1%eth0]:443'],
    ['1.2.3.4', '9.9.9.9', '1.2.3.4', ',127.0.0.1'],
  ]
  for (const [address, ...lines] of ways) {
    const answer = await exchange(server.url, upgrade('/told', { 'X-Forwarded-For': lines }))
    assert.equal(answer.split('\r\n').at(-1), address, lines.join(' | '))
  }
})

test('a client with an unreadable address counts as the proxy that sent it, which is logged once for all clients', async () => {
  const warnings: object[] = []
  const log = (): void => {}
  const logger: Logger = { debug: log, info: log, error: log, warn: (fields) => void warnings.push(fields) }
  await using server = await start({ logger, maxConnectionsPerIp: 1 })
  await server.connect('/ws', from('8.8.8.8, unknown'))
  await assert.rejects(server.connect('/ws', from('8.8.8.8, _hidden')), /429/)
  assert.deepEqual(warnings, [{ proxy: '127.0.0.1', hop: 'unknown' }])
})

test('an unreadable address is logged again after an hour, and for a limited number of proxies', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const proxies: unknown[] = []
  const log = (): void => {}
  const logger = { debug: log, info: log, error: log, warn: (fields: object) => void proxies.push(fields) }
  const address = new ClientAddress(['10.0.0.0/8'], logger)
  const ask = (proxy: string, hop = 'unknown'): string =>
    address.of({
      socket: { remoteAddress: proxy },
      headers: { 'x-forwarded-for': hop },
    } as unknown as IncomingMessage)
  assert.equal(ask('10.0.0.1'), '10.0.0.1')
  assert.equal(ask('10.0.0.1', 'unknown, 10.0.0.2'), '10.0.0.2')
  assert.equal(ask('10.0.0.1'), '10.0.0.1')
  assert.equal(proxies.length, 2)
  t.mock.timers.tick(3_600_000)
  ask('10.0.0.1', 'x'.repeat(10_000))
  assert.deepEqual(proxies[2], { proxy: '10.0.0.1', hop: 'x'.repeat(100) })
  for (let n = 0; n < 1_000; n++) ask(`10.1.${n >> 8}.${n & 255}`)
  assert.ok(proxies.length <= 103, String(proxies.length))
})
