// Cases that no table covers: any messages, cut anywhere, and bytes that are not frames at all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import { RawClient } from '../support/raw-client.ts'
import { Opcode, type RawFrameInit, rawFrame } from '../support/raw-frame.ts'
import { CLOSE, ping } from './case.ts'
import { startEcho } from './echo.ts'
import { binary, close, describeFrame, pong, text } from './transcript.ts'

/** A threshold so high that the server never compresses, so its frames can be compared as they are. */
const { url } = await startEcho({ compression: { threshold: 2 ** 20 } })
const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }

interface Sent {
  readonly data: string | Uint8Array
  readonly isCompressed: boolean
  /** Where the message is cut into fragments, as shares of its length. */
  readonly cuts: readonly number[]
  readonly mask: Uint8Array
  /** A ping that goes before the message's last fragment. */
  readonly ping: Uint8Array | undefined
}

const anyMessage: fc.Arbitrary<Sent> = fc.record({
  data: fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.uint8Array({ maxLength: 70_000, size: '+1' })),
  isCompressed: fc.boolean(),
  cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
  mask: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  ping: fc.option(fc.uint8Array({ maxLength: 125 }), { nil: undefined }),
})

function framesOf({ data, isCompressed, cuts, mask, ping: pinged }: Sent): Buffer[] {
  const plain = Buffer.from(data)
  const payload = isCompressed ? Buffer.concat([deflateRawSync(plain), Buffer.alloc(1)]) : plain
  const ends = [...cuts.map((cut) => Math.floor(cut * payload.length)).toSorted((a, b) => a - b), payload.length]
  const opcode = typeof data === 'string' ? Opcode.text : Opcode.binary
  const frames = ends.map((end, index) => {
    const isFirst = index === 0
    const init: RawFrameInit = {
      fin: index === ends.length - 1,
      mask: Buffer.from(mask),
      rsv1: isFirst && isCompressed,
    }
    return rawFrame(payload.subarray(ends[index - 1] ?? 0, end), { ...init, opcode: isFirst ? opcode : 0 })
  })
  return pinged === undefined ? frames : [...frames.slice(0, -1), ping(pinged), frames.at(-1)!]
}

test('any messages, in any fragments, with pings anywhere, read in pieces of any size, come back in order', async () => {
  const messages = fc.array(anyMessage, { maxLength: 12 })
  const property = fc.asyncProperty(messages, fc.integer({ min: 50, max: 100_000 }), async (sent, pieceSize) => {
    using client = await RawClient.connect(url, '/echo', headers)
    await client.writeChopped(Buffer.concat([...sent.flatMap(framesOf), CLOSE]), pieceSize)
    await client.ended()
    const said = client.frames.map(describeFrame)
    const isPong = (frame: string): boolean => frame.startsWith('pong ')
    const echoes = sent.map(({ data }) => (typeof data === 'string' ? text(data) : binary(data)))
    const pongs = sent.flatMap(({ ping }) => (ping === undefined ? [] : [pong(ping)]))
    assert.deepEqual(
      said.filter((frame) => !isPong(frame)),
      [...echoes, close(1000)],
    )
    assert.deepEqual(said.filter(isPong), pongs)
  })
  await fc.assert(property, { numRuns: 60 })
})

test('any bytes are read as frames or refused with a fitting code, and harm nobody else', async () => {
  using other = await RawClient.connect(url, '/echo')
  const codes = new Set([1002, 1007, 1009])
  const property = fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), async (bytes) => {
    using client = await RawClient.connect(url, '/echo', headers)
    client.write(bytes)
    client.end()
    await client.ended()
    for (const { opcode, payload } of client.frames) {
      if (opcode === Opcode.close && payload.length > 0) assert.ok(codes.has(payload.readUInt16BE()))
    }
  })
  await fc.assert(property, { numRuns: 200 })
  other.send('well')
  assert.equal(describeFrame(await other.next()), text('well'))
})
