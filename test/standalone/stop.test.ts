import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '../support/connect.ts'
import { startFlotilla, temporaryFolder } from './flotilla.ts'

const dev = ['--dev', '--port=0', '--log-level=silent']

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} closes connections with 1001 and ends with exit code 0`, async (t) => {
    const server = await startFlotilla(t, dev)
    const client = await connect(server.url, { uid: 'ann' })
    server.child.kill(signal)
    // Ctrl-C under npm arrives twice.
    server.child.kill(signal)
    assert.equal((await client.closed).code, 1001)
    assert.equal((await server.ended).code, 0)
  })
}

test('a timer of a module does not keep the server running', async (t) => {
  const file = join(await temporaryFolder(t), 'timer.mjs')
  await writeFile(
    file,
    `import { defineModule } from 'flotilla'\nsetInterval(() => {}, 1000)\nexport default defineModule('/t', {})`,
  )
  const server = await startFlotilla(t, [...dev, '--module', file])
  server.child.kill('SIGTERM')
  assert.equal((await server.ended).code, 0)
})

test('a second signal ends a server that is still closing, at once and with exit code 1', async (t) => {
  const server = await startFlotilla(t, dev)
  const client = await connect(server.url, { uid: 'ann' })
  t.after(() => client.vanish())
  // The client never answers the close frame, so closing takes long.
  client.pause()
  const asking = setInterval(() => server.child.kill('SIGTERM'), 300)
  server.child.kill('SIGTERM')
  const { code } = await server.ended
  clearInterval(asking)
  assert.equal(code, 1, 'the server did not wait for the client')
})
