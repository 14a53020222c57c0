import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { createServer, defineModule, FlotillaError, memory } from '../../src/index.ts'
import { connect } from '../support/connect.ts'

const modules = [defineModule('/ws', {})]
const create = (options: object = {}) => createServer({ modules, driver: memory({ isolated: true }), ...options })

const reasonOf = async (health: Promise<void>): Promise<unknown> =>
  health.then(
    () => 'none',
    (error: unknown) => (error instanceof FlotillaError ? error.details?.['reason'] : error),
  )

test('a server that drains is not healthy, but lets clients in until it closes', async () => {
  const server = create()
  const url = await server.listen(0)
  assert.equal(await reasonOf(server.health(1_000)), 'none')
  const drained = server.drain({ delay: 600_000 })
  assert.equal(await reasonOf(server.health(1_000)), 'draining')
  const client = await connect(url)
  await server.cluster.push({ all: true }, 'hello')
  assert.equal(await client.next(), 'hello')
  const closed = server.close()
  await drained
  assert.equal((await client.closed).code, 1001)
  await closed
  assert.equal(await reasonOf(server.health(1_000)), 'closed')
})

test('an attached server drains, too, and its host goes on', async (t) => {
  const host = createHttp((_, response) => response.end('host')).listen(0, '127.0.0.1')
  t.after(() => host.close())
  await once(host, 'listening')
  const url = `http://127.0.0.1:${(host.address() as { port: number }).port}`
  const server = create().attach(host)
  await server.drain()
  assert.equal(await reasonOf(server.health(1_000)), 'draining')
  const client = await connect(url)
  await server.close()
  assert.equal((await client.closed).code, 1001)
  assert.equal(await (await fetch(url, { headers: { connection: 'close' } })).text(), 'host')
})

test('drain refuses a delay that is none', async (t) => {
  const server = create()
  t.after(() => server.close())
  for (const delay of [-1, 1.5, Number.NaN, 3_600_001])
    await assert.rejects(server.drain({ delay }), { code: 'FLT_BAD_OPTION' })
  await assert.rejects(server.drain({ dealy: 1 } as object), /'dealy'/)
})

test('an answer that streams when the server begins to close is finished, and its connection ends', async () => {
  let finish!: () => void
  const server = create({
    http: (_: unknown, response: { write(text: string): void; end(text: string): void }) => {
      response.write('begin ')
      finish = () => response.end('end')
    },
  })
  const url = await server.listen(0)
  const answer = await fetch(url)
  const closed = server.close()
  finish()
  assert.equal(await answer.text(), 'begin end')
  await closed
})

test('setTls replaces the certificate for clients that connect later', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const certify = (name: string) => {
    const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
    const request = `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${name}`.split(' ')
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { cert: readFileSync(cert), key: readFileSync(key) }
  }
  const [first, second, third] = ['first', 'second', 'third'].map(certify) as [Tls, Tls, Tls]
  const server = create({ tls: first })
  t.after(() => server.close())
  server.setTls(second)
  const { port } = new URL(await server.listen(0))
  const nameOf = async () => {
    const socket = connectTls(Number(port), '127.0.0.1', { rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { subject } = socket.getPeerCertificate()
    socket.destroy()
    return subject.CN
  }
  assert.equal(await nameOf(), 'second')
  server.setTls(third)
  assert.equal(await nameOf(), 'third')
  for (const tls of [
    { cert: first.cert, key: second.key },
    { cert: 'garbage', key: second.key },
    // Node would take these, and then no client could connect.
    { cert: first.cert },
    { cert: undefined, key: undefined },
    { cert: '', key: '' },
    {},
  ] as Tls[]) {
    assert.throws(() => server.setTls(tls), { code: 'FLT_BAD_OPTION', message: /^tls: give a certificate/ })
    assert.throws(() => create({ tls }), { code: 'FLT_BAD_OPTION', message: /^tls: give a certificate/ })
  }
  assert.throws(() => server.setTls({ cert: first.cert, key: second.key }), /\(ERR_OSSL_X509_KEY_VALUES_MISMATCH\)$/)
  assert.equal(await nameOf(), 'third')
  await using plain = create()
  assert.throws(() => plain.setTls(first), /created without tls/)
})

interface Tls {
  cert: Buffer
  key: Buffer
}
