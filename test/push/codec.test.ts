import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import { type Codec, defineModule } from '../../src/index.ts'
import { startTestServer } from '../../src/testing.ts'

test('a push that the codec cannot encode fails, and the next push to the same node arrives', async () => {
  let isBroken = false
  const codec: Codec = {
    name: binaryCodec.name,
    decode: (bytes) => binaryCodec.decode(bytes),
    encode(batch) {
      if (isBroken) throw new TypeError('no word for it')
      return binaryCodec.encode(batch)
    },
  }
  const options = { driver: memory({ isolated: true }), codec, onError: () => {} }
  const ws = defineModule('/ws', { handshake: (ctx) => void (ctx.uid = 'u') })
  await using publisher = await startTestServer({ ...options, modules: [] })
  await using host = await startTestServer({ ...options, modules: [ws] })
  const client = await host.connect('/ws')
  const { cluster } = publisher.server

  // With two users the pusher looks them up first, so the envelope goes through the node's inbox.
  isBroken = true
  await assert.rejects(cluster.push({ uid: ['u', 'nobody'] }, 'lost'), (error: Error) => {
    return /no word for it/.test(`${error.message} ${String(error.cause)}`)
  })
  isBroken = false
  await cluster.push({ uid: ['u', 'nobody'] }, 'found')
  assert.equal(await client.next(), 'found')
})
