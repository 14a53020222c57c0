import assert from 'node:assert/strict'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Child } from '../test/support/child.ts'
import { connect, type TestClient } from '../test/support/connect.ts'
import { freePort } from '../test/support/free-port.ts'
import { until } from '../test/support/until.ts'

const field = fileURLToPath(new URL('.', import.meta.url))
const root = join(field, '..')

/** A copy of an example, at a place from where the packages of field are found. Next.js writes into its folder. */
function copyOf(t: TestContext, example: string): string {
  mkdirSync(join(field, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(field, '.cache', `${example}-`))
  cpSync(join(root, 'examples', example), folder, { recursive: true })
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

function run(t: TestContext, cwd: string, args: readonly string[], port = 0): Child {
  const env: NodeJS.ProcessEnv = { ...process.env, PORT: String(port), NO_COLOR: '1', NEXT_TELEMETRY_DISABLED: '1' }
  delete env['FORCE_COLOR']
  const child = new Child(process.execPath, args, { cwd, env })
  t.after(() => child.kill9())
  return child
}

async function notify(url: string, uid: string, message: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${url}/notify/${uid}`, { method: 'POST', headers, body: JSON.stringify(message) })
  assert.equal(answer.status, 200, await answer.clone().text())
  return answer.json()
}

async function pushReaches(url: string, client: TestClient): Promise<void> {
  const { nodeCount } = (await notify(url, 'u1', { n: 1 })) as { nodeCount: number }
  assert.equal(nodeCount, 1)
  assert.equal(await client.next(), '{"n":1}')
}

async function endsWith1001(child: Child, clients: readonly TestClient[]): Promise<Awaited<Child['exited']>> {
  child.signal('SIGTERM')
  for (const { closed } of clients) assert.equal((await closed).code, 1001)
  return child.exited
}

for (const example of ['koa', 'nest', 'next', 'vite']) {
  test(`${example}: the example has no type errors`, async (t) => {
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const child = run(t, copyOf(t, example), [tsc, '-p', '.'])
    assert.deepEqual(await child.exited, { code: 0, signal: null }, child.stdout)
  })
}

test('koa: its answers and its sockets share a port, and it ends with a client connected', async (t) => {
  const child = run(t, copyOf(t, 'koa'), ['--import', 'tsx', 'main.ts'])
  const [, url = ''] = await child.said(/listening on (\S+)/)
  const client = await connect(url, { path: '/ws/u1' })
  await pushReaches(url, client)
  assert.deepEqual(await endsWith1001(child, [client]), { code: 0, signal: null })
})

test('nest: modules are providers, and every shutdown hook runs with a client connected', async (t) => {
  const child = run(t, copyOf(t, 'nest'), ['--import', 'tsx', 'main.ts'])
  const [, url = ''] = await child.said(/listening on (\S+)/)
  const client = await connect(url, { path: '/ws/u1' })
  assert.equal(await client.next(), 'welcome, u1')
  await pushReaches(url, client)
  // After its hooks, Nest sends itself the signal once more.
  assert.deepEqual(await endsWith1001(child, [client]), { code: null, signal: 'SIGTERM' })
  assert.match(child.stdout, /shut down/, 'onApplicationShutdown is reached')
})

test('vite: Flotilla serves its paths beside hot updates, through a restart, and ends with a client connected', async (t) => {
  const folder = copyOf(t, 'vite')
  const port = await freePort()
  const child = run(t, folder, [join(field, 'node_modules/vite/bin/vite.js')], port)
  await child.said(/Local:/)
  const url = `http://127.0.0.1:${port}`
  const [hmr, client] = [
    await connect(url, { path: '/', protocols: ['vite-hmr'] }),
    await connect(url, { path: '/ws/u1' }),
  ]
  assert.deepEqual(JSON.parse(String(await hmr.next())), { type: 'connected' })
  assert.match(await (await fetch(`${url}/notify/u1`)).text(), /"nodeCount":1/)
  assert.equal(await client.next(), 'hello, u1')

  appendFileSync(join(folder, 'vite.config.ts'), '\n')
  // For a restart, Vite destroys every socket, and no hook comes before that.
  assert.equal((await client.closed).code, 1006)
  let back: TestClient | undefined
  await until('it is there again', async () => {
    back = await connect(url, { path: '/ws/u1' }).catch(() => undefined)
    return back !== undefined
  })
  await fetch(`${url}/notify/u1`)
  assert.equal(await back?.next(), 'hello, u1')
  const { code, signal } = await endsWith1001(child, [back!])
  // Vite ends with 143, as a shell shows a process that SIGTERM has ended.
  assert.deepEqual({ code, signal }, { code: 143, signal: null })
})

test('next: route handlers push, hot updates go on, and it ends with a client connected', async (t) => {
  const child = run(t, copyOf(t, 'next'), ['--import', 'tsx', 'server.ts'])
  const [, url = ''] = await child.said(/listening on (\S+)/)
  const client = await connect(url, { path: '/ws/u1' })
  await pushReaches(url, client)
  const hmr = await connect(url, { path: '/_next/hmr', query: { id: 'a' } })
  await hmr.waitFor(1)
  assert.deepEqual(await endsWith1001(child, [client]), { code: 0, signal: null })
})
