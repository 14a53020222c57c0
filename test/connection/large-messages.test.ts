import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LargeMessages } from '../../src/connection/large-messages.ts'
import { defineModule } from '../../src/index.ts'
import { startTestServer } from '../../src/testing.ts'

const LARGE = 65_536

test('large messages begin one at a time, in order, and small ones at once', async () => {
  const messages = new LargeMessages()
  const begun: number[] = []
  await new Promise<void>((resolve) => {
    const begin = (n: number): void => {
      if (!messages.begin(LARGE, () => begin(n))) return
      begun.push(n)
      assert(messages.begin(LARGE - 1, assert.fail))
      if (n === 4) resolve()
    }
    for (let n = 0; n < 5; n++) begin(n)
    assert.deepEqual(begun, [0])
  })
  assert.deepEqual(begun, [0, 1, 2, 3, 4])
})

test('after a large message everything else has as much time as it took', async () => {
  const messages = new LargeMessages()
  const spins = 30
  assert(messages.begin(LARGE, assert.fail))
  const start = performance.now()
  while (performance.now() - start < spins);
  await new Promise<void>((resolve) => assert(!messages.begin(LARGE, resolve)))
  assert(performance.now() - start > 2 * spins - 2)
})

test('a connection that no longer wants its turn passes it on to the next', async () => {
  const messages = new LargeMessages()
  assert(messages.begin(LARGE, assert.fail))
  assert(!messages.begin(LARGE, () => {}))
  await new Promise<void>((resolve) => assert(!messages.begin(LARGE, resolve)))
})

test('messages of a connection are handled in order, large or small', async () => {
  const talk = defineModule('/talk', { commands: { say: { run: ({ data }) => String(data).length } } })
  await using node = await startTestServer({ modules: [talk] })
  const clients = await Promise.all(Array.from({ length: 3 }, () => node.connect('/talk')))
  const sizes = [100_000, 1, 200_000, 2, 3, 300_000, 4]
  for (const client of clients) {
    for (const size of sizes) client.send(JSON.stringify({ cmd: 'say', data: 'x'.repeat(size) }))
  }
  for (const client of clients) {
    for (const size of sizes) assert.deepEqual(JSON.parse(String(await client.next())), { cmd: 'say', data: size })
  }
})
