import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTls } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Authority } from '../support/certificates.ts'
import { connect } from '../support/connect.ts'
import { freePort } from '../support/free-port.ts'
import { SECRET } from './api-call.ts'
import { flotilla, startFlotilla, temporaryFolder } from './flotilla.ts'

const dev = ['--dev', '--port=0', '--log-level=silent']

test('a push to nobody says so on stderr, and fails only with --fail-offline', async (t) => {
  const { url } = await startFlotilla(t, dev)
  const ann = await connect(url, { uid: 'ann', groups: ['red'] })
  t.after(() => ann.vanish())
  const outcomes: [args: string[], told: string][] = [
    [['--uid=ann'], ''],
    [['--group=red'], ''],
    [['--uid=bob'], 'nobody got it: bob is offline\n'],
    [['--uid=bob', '--uid=kim'], 'nobody got it: bob, kim are offline\n'],
    [['--uid=ann', '--uid=bob'], 'not everybody got it: bob is offline\n'],
    [['--group=blue'], 'nobody got it: nobody is connected there\n'],
    [['--connection=c1'], 'nobody got it: c1 is offline\n'],
    [
      Array.from({ length: 12 }, (_, n) => `--uid=u${n}`),
      'nobody got it: u0, u1, u2, u3, u4, u5, u6, u7, u8, u9 and 2 more are offline\n',
    ],
  ]
  for (const [args, told] of outcomes) {
    const lenient = await flotilla(['push', 'hi', '--url', url, ...args])
    assert.deepEqual([lenient.code, lenient.stderr], [0, told], args.join(' '))
    assert.equal(typeof (JSON.parse(lenient.stdout) as { nodeCount: number }).nodeCount, 'number')
    const strict = await flotilla(['push', 'hi', '--url', url, '--fail-offline', ...args])
    assert.deepEqual([strict.code, strict.stderr], [told === '' ? 0 : 4, told], args.join(' '))
  }
  const all = await flotilla(['push', 'hi', '--url', url, '--all', '--fail-offline'])
  assert.equal(all.code, 2)
  assert.match(all.stderr, /^--fail-offline and --all cannot be used together: /)
  const args = ['push', 'hi', '--url', url, ...Array.from({ length: 21 }, (_, n) => `--uid=v${n}`), '--id=again']
  await flotilla(args)
  assert.equal(
    (await flotilla(args)).stderr,
    'nobody got it: 21 of them are offline\n',
    'a repeated push knows only how many',
  )
})

test('a push with --hold says for whom it waits, and --fail-offline counts only those for whom it does not', async (t) => {
  const { url } = await startFlotilla(t, dev)
  const push = (...args: string[]) => flotilla(['push', 'hi', '--url', url, '--hold=60000', '--fail-offline', ...args])
  const held = await push('--uid=bob')
  assert.deepEqual([held.code, held.stderr], [0, 'nobody got it: bob is offline; it waits for them\n'])
  assert.deepEqual((JSON.parse(held.stdout) as { held: string[] }).held, ['bob'])
  const bob = await connect(url, { uid: 'bob' })
  t.after(() => bob.vanish())
  assert.equal(await bob.next(), 'hi')
  assert.equal((await push('--uid=bob')).stderr, '')
  const pushes = Array.from({ length: 100 }, (_, n) => ({ uid: 'kim', message: n, hold: 60_000 }))
  const headers = { 'content-type': 'application/json' }
  await fetch(`${url}/api/push/batch`, { method: 'POST', headers, body: JSON.stringify({ pushes }) })
  const full = await push('--uid=kim', '--uid=lea')
  const told = 'nobody got it: kim, lea are offline; there is no room for it to wait for kim\n'
  assert.deepEqual([full.code, full.stderr], [4, told])
  const refused: [args: string[], told: RegExp][] = [
    [['--group=g'], /^--hold is for pushes to users: /],
    [['--uid=u', '--hold=60001'], /^--hold takes whole milliseconds from 1 to 60000, not "60001"/],
    [['--uid=u', '--hold=1s'], /^--hold takes whole milliseconds from 1 to 60000, not "1s"/],
  ]
  for (const [args, message] of refused) {
    const { code, stderr } = await push(...args)
    assert.equal(code, 2)
    assert.match(stderr, message)
  }
})

test('a push goes over a Unix socket, by the URL of the ready line', async (t) => {
  const { url } = await startFlotilla(t, [
    '--dev',
    '--log-level=silent',
    `--unix=${join(await temporaryFolder(t), 's')}`,
  ])
  const { code, stdout } = await flotilla(['push', 'hi', '--all', '--url', url])
  assert.deepEqual([code, (JSON.parse(stdout) as { nodeCount: number }).nodeCount], [0, 1])
})

test('a key that is missing or wrong is told as the flag and the variable that take it', async (t) => {
  const { url } = await startFlotilla(t, ['--port=0', '--log-level=silent', `--token-secret=${SECRET}`, '--api-key=k'])
  const push = ['push', 'hi', '--all', '--url', url]
  const missing = await flotilla(push)
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /^the API key is missing: give .* --api-key .* FLOTILLA_API_KEY\n$/)
  assert.match((await flotilla(push, { env: { FLOTILLA_API_KEY: 'x' } })).stderr, /^the API key is wrong: give /)
  assert.equal((await flotilla(push, { env: { FLOTILLA_API_KEY: 'k' } })).code, 0)
  const odd = await flotilla(push, { env: { FLOTILLA_API_KEY: 'k\n' } })
  assert.deepEqual([odd.code, odd.stderr], [2, '--api-key takes printable ASCII without spaces\n'])
})

test('a variable that is set to nothing counts as not set, for every command', async (t) => {
  const cwd = await temporaryFolder(t)
  const env = { FLOTILLA_URL: '', FLOTILLA_API_KEY: '', FLOTILLA_PID_FILE: '', FLOTILLA_GROUPS_CLAIM: '' }
  const named = { cwd, env: { ...env, FLOTILLA_TOKEN_SECRET: SECRET } }
  for (const command of ['status', 'stop', 'restart']) {
    const { code, stdout, stderr } = await flotilla([command], named)
    assert.equal(code, 3)
    assert.match(stdout + stderr, /^not running \(there is no flotilla\.pid\)/)
  }
  assert.match((await flotilla(['push', '--help'], named)).stdout, /default: "http:\/\/127\.0\.0\.1:18308"/)
  const { stdout } = await flotilla(['token', '--uid=ann', '--groups=red'], named)
  const claims = JSON.parse(Buffer.from(stdout.split('.')[1]!, 'base64url').toString()) as { groups: string[] }
  assert.deepEqual(claims.groups, ['red'])
})

async function portOf(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('a server that cannot be reached is told by its cause, before anything else', async (t) => {
  const nowhere = await freePort()
  const plain = await portOf(
    t,
    createServer((_, response) => void response.end('{}')),
  )
  const rude = await portOf(
    t,
    createTcp((socket) => void socket.destroy()),
  )
  const causes: [url: string, cause: RegExp][] = [
    [
      `http://127.0.0.1:${nowhere}`,
      /^nothing listens at http:\S+ \(ECONNREFUSED\): is the server running, and is --url/,
    ],
    [`unix:/nowhere/${nowhere}`, /^nothing listens at unix:\S+ \(ENOENT\): /],
    ['http://nowhere.invalid', /^the host of http:\/\/nowhere.invalid is not known \((ENOTFOUND|EAI_AGAIN)\): /],
    [`https://127.0.0.1:${plain}`, /^https:\S+ does not speak TLS \(http:\/\/ may be right\): /],
    [`http://127.0.0.1:${rude}`, /^http:\S+ ended the connection without an answer \(https:\/\/ may be right\): /],
    [`http://127.0.0.1:${plain}`, /^http:\S+ answered 200, but not as a Flotilla server would: is --url right\?/],
  ]
  for (const [url, cause] of causes) {
    const { code, stdout, stderr } = await flotilla(['push', 'hi', '--all', '--url', url])
    assert.deepEqual([code, stdout], [1, ''], stderr)
    assert.match(stderr, cause)
  }
})

test('a certificate that is not trusted is told with what to do, and not as a wrong URL', async (t) => {
  const authority = Authority.make()
  t.after(() => authority.remove())
  const server = createTls(authority.certify('server', 'DNS:localhost'), (_, response) => void response.end('{}'))
  const port = await portOf(t, server)
  const pushTo = async (host: string, env = {}): Promise<string> => {
    const { code, stderr } = await flotilla(['push', 'hi', '--all', '--url', `https://${host}:${port}`], { env })
    assert.equal(code, 1)
    return stderr
  }
  const own = /^the certificate of \S+ is not trusted here \(\w+\): if its authority .* NODE_EXTRA_CA_CERTS=FILE\n$/
  assert.match(await pushTo('localhost'), own)
  const trusting = { NODE_EXTRA_CA_CERTS: authority.caFile }
  assert.match(await pushTo('127.0.0.1', trusting), /not trusted here \(ERR_TLS_\w+\): write a host that it names\n$/)
  assert.match(await pushTo('localhost', trusting), /answered 200, but not as a Flotilla server would/)
})
