import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Child } from '../test/support/child.ts'
import { freePort } from '../test/support/free-port.ts'
import { startRedis } from '../test/support/redis.ts'
import { API_KEY, call, connectAs, SECRET } from './support/fleet.ts'

const pm2 = createRequire(import.meta.url).resolve('pm2/bin/pm2')
const ecosystem = fileURLToPath(new URL('../deploy/ecosystem.config.cjs', import.meta.url))

test('pm2 starts a node for each core, and reloads them without a refused connect or push', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'flotilla-pm2-'))
  const redis = await startRedis()
  const host = `127.0.0.1:${await freePort()}`
  const env = {
    ...process.env,
    PM2_HOME: home,
    FLOTILLA_REDIS: redis.url,
    FLOTILLA_PORT: host.split(':')[1],
    FLOTILLA_TOKEN_SECRET: SECRET,
    FLOTILLA_API_KEY: API_KEY,
  }
  const run = async (...args: string[]): Promise<void> => {
    const child = new Child(process.execPath, [pm2, ...args], { env })
    assert.equal((await child.exited).code, 0, child.stdout + child.stderr)
  }
  t.after(async () => {
    await run('kill')
    await redis.stop()
    await rm(home, { recursive: true })
  })
  // Two, however many cores this machine has. From its own place, so that it finds the package.
  const config = (await readFile(ecosystem, 'utf8')).replace("instances: 'max'", 'instances: 2')
  const file = fileURLToPath(new URL('node_modules/ecosystem.config.cjs', import.meta.url))
  await writeFile(file, config)
  t.after(() => rm(file))

  await run('start', file)
  const before = await nodesAt(host)
  assert.equal(before.length, 2, 'each is ready once pm2 says that it has started')

  const visitors = new Visitors(host)
  await run('reload', 'flotilla')
  const after = await nodesAt(host)
  assert.equal(after.length, 2)
  assert.deepEqual(
    after.filter((node) => before.includes(node)),
    [],
  )
  assert.deepEqual(await visitors.end(), [])
})

async function nodesAt(host: string): Promise<string[]> {
  const { body } = await call(host, 'GET', '/api/nodes')
  return (body as { nodes: { node: string }[] }).nodes.map(({ node }) => node)
}

/** Come and push, one after another, until they are told to end. */
class Visitors {
  readonly #failures: string[] = []
  readonly #loop: Promise<void>
  #isOver = false

  constructor(host: string) {
    this.#loop = this.#run(host)
  }

  async end(): Promise<string[]> {
    this.#isOver = true
    await this.#loop
    return this.#failures
  }

  async #run(host: string): Promise<void> {
    for (let number = 0; !this.#isOver; number++) {
      try {
        const client = await connectAs('visitor', host)
        const push = { uid: 'visitor', message: 'hello', id: `push-${number}` }
        const { status, body } = await call(host, 'POST', '/api/push', push)
        if (status !== 200) this.#failures.push(JSON.stringify(body))
        await client.close()
      } catch (error) {
        this.#failures.push(String(error))
      }
      await pause(20)
    }
  }
}
