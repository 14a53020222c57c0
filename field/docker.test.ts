import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { validate } from 'dockerfile-utils'
import { Child } from '../test/support/child.ts'
import { freePort } from '../test/support/free-port.ts'
import { startRedis } from '../test/support/redis.ts'
import { READY } from '../test/support/start-node.ts'
import { DockerImage } from './support/docker-image.ts'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const dockerfile = `${checkout}deploy/Dockerfile`
const secrets = { FLOTILLA_TOKEN_SECRET: 'a secret of more than thirty-two bytes' }

test('the Dockerfile has none of the flaws that a linter knows', async () => {
  assert.deepEqual(validate(await readFile(dockerfile, 'utf8')), [])
})

test('the steps of the Dockerfile make a node that runs as somebody else than root, is healthy, and ends', async (t) => {
  const image = await DockerImage.build(dockerfile, checkout)
  t.after(() => image.remove())
  const redis = await startRedis()
  t.after(() => redis.stop())
  const port = String(await freePort())
  const env = { ...image.env, ...secrets, FLOTILLA_REDIS: redis.url, FLOTILLA_PORT: port, FLOTILLA_HOST: '127.0.0.1' }
  const start = ([command = '', ...args]: readonly string[]): Child => {
    return new Child(command, args, { cwd: image.folder, env, ...nobody(image.user) })
  }

  const node = start(image.entrypoint)
  await node.said(READY)
  assert.deepEqual(await start(image.healthcheck).exited, { code: 0, signal: null })
  assert.equal(image.stopSignal, 'SIGTERM')
  node.signal('SIGTERM')
  assert.deepEqual(await node.exited, { code: 0, signal: null }, node.stderr)
  assert.deepEqual(await start(image.healthcheck).exited, { code: 1, signal: null })
})

/** `node` has the id 1000 in the image. Only root can start something as somebody else. */
function nobody(user: string): { uid?: number; gid?: number } {
  assert.equal(user, 'node')
  return process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {}
}
