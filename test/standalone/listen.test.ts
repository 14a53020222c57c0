import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { connect } from '../support/connect.ts'
import { freePort } from '../support/free-port.ts'
import { flotilla, startFlotilla, temporaryFolder } from './flotilla.ts'

const dev = ['--dev', '--log-level=silent']

test('--port 0 picks a free port and prints it, and nothing else is on stdout', async (t) => {
  const server = await startFlotilla(t, [...dev, '--port=0', '--name=harbour'])
  assert.match(server.url, /^http:\/\/127\.0\.0\.1:[1-9]\d+$/)
  assert.match(server.node, /^harbour-/)
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200)
  server.child.kill('SIGTERM')
  const { code, stdout } = await server.ended
  assert.equal(code, 0)
  assert.equal(stdout, `ready node=${server.node} url=${server.url}\n`)
})

test('--host takes an IPv6 address with and without brackets, and prints it with them', async (t) => {
  const { url } = await startFlotilla(t, [...dev, '--port=0', '--host=[::1]'])
  assert.match(url, /^http:\/\/\[::1\]:[1-9]\d+$/)
  assert.equal((await fetch(`${url}/healthz`)).status, 200)
  const { port } = new URL(url)
  for (const host of ['::1', '[::1]']) {
    const { code, stderr } = await flotilla(['start', ...dev, `--port=${port}`, `--host=${host}`])
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^\\[::1\\]:${port} is taken`))
  }
})

test('two servers with the same name have different ids', async (t) => {
  const [one, other] = await Promise.all([0, 1].map(() => startFlotilla(t, [...dev, '--port=0', '--name=twin'])))
  assert.notEqual(one!.node, other!.node)
})

test('a port that is taken ends the start with one line and exit code 1', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  t.after(() => blocker.close())
  const { port } = blocker.address() as { port: number }
  const { code, stdout, stderr } = await flotilla(['start', ...dev, '--port', String(port)])
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, new RegExp(`^127\\.0\\.0\\.1:${port} is taken .*--port\\n$`))
})

test('--unix listens on a socket, even if a killed server has left one there', async (t) => {
  const path = join(await temporaryFolder(t), 'flotilla.sock')
  const killed = await startFlotilla(t, [...dev, '--unix', path])
  assert.equal(killed.url, `unix:${path}`)
  killed.child.kill('SIGKILL')
  await killed.ended
  assert(existsSync(path))
  const server = await startFlotilla(t, [...dev, '--unix', path])
  const call = httpRequest({ socketPath: path, path: '/healthz' })
  call.end()
  const [answer] = await once(call, 'response')
  assert.equal(answer.statusCode, 200)
  answer.resume()
  const socket = new WebSocket(`ws+unix://${path}:/ws?uid=ann`)
  await once(socket, 'open')
  const { code, stderr } = await flotilla(['start', ...dev, '--unix', path])
  assert.deepEqual([code, stderr.includes(`${path} is taken`)], [1, true])
  server.child.kill('SIGTERM')
  const [closeCode] = await once(socket, 'close')
  assert.equal(closeCode, 1001)
  assert.equal((await server.ended).code, 0)
  assert(!existsSync(path))
})

test('--tls-cert and --tls-key serve wss and https', async (t) => {
  const folder = await temporaryFolder(t)
  const [cert, key, otherKey] = ['cert.pem', 'key.pem', 'other.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const certify = (keyFile: string) =>
    execFileSync(
      'openssl',
      [
        ...'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost'.split(' '),
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        keyFile,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    )
  certify(otherKey)
  certify(key)
  const { url } = await startFlotilla(t, [...dev, '--port=0', '--tls-cert', cert, '--tls-key', key])
  assert.match(url, /^https:/)
  const ca = readFileSync(cert)
  const client = await connect(url, { uid: 'ann', ca })
  t.after(() => client.vanish())
  const call = httpsRequest(`${url}/api/push`, { method: 'POST', ca, headers: { 'content-type': 'application/json' } })
  call.end('{"uid":"ann","message":"over TLS"}')
  const [answer] = await once(call, 'response')
  answer.resume()
  assert.equal(await client.next(), 'over TLS')
  const bad: [string, string, RegExp][] = [
    [cert, otherKey, /^--tls-key \S+ belongs to another certificate than --tls-cert/],
    [key, key, /^--tls-cert \S+ is not a certificate in PEM/],
    [cert, cert, /^--tls-key \S+ is not a private key in PEM/],
    [join(folder, 'none'), key, /^--tls-cert: there is no such file; it takes the path of a file that can be read/],
  ]
  for (const [certFile, keyFile, says] of bad) {
    const { code, stderr } = await flotilla(['start', ...dev, '--port=0', '--tls-cert', certFile, '--tls-key', keyFile])
    assert.equal(code, 2)
    assert.match(stderr, says)
  }
})

test('a store that is away is named without its password, in one line, after --connect-timeout', async () => {
  const port = await freePort()
  const args = [
    'start',
    ...dev,
    '--port=0',
    '--redis',
    `redis://user:hunter2@127.0.0.1:${port}`,
    '--connect-timeout=600',
  ]
  const { code, stdout, stderr } = await flotilla(args)
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, new RegExp(`^cannot reach the store at redis://127\\.0\\.0\\.1:${port}/0 within 600 ms .*\\n$`))
  assert(!stderr.includes('hunter2'))
})
