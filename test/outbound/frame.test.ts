import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodePayload, type Payload } from '../../src/envelope/payload.ts'
import { Frame } from '../../src/outbound/frame.ts'

const LONG = 'x'.repeat(2_000)
const payloads: Payload[] = [encodePayload(LONG), encodePayload([LONG]), encodePayload(Buffer.from(LONG))]

for (const payload of payloads)
  test(`a frame gives back its message and what kind it is: ${payload.kind}, compressed as well`, () => {
    const frame = new Frame(payload)
    for (const { payload: found } of [frame, frame.deflated(1)]) {
      assert.equal(found.kind, payload.kind)
      assert.deepEqual(Buffer.from(found.data), Buffer.from(payload.data))
    }
    assert.ok(frame.deflated(1).bytes.length < frame.bytes.length)
  })

test('a text that is no UTF-8 becomes bytes', () => {
  const data = Uint8Array.of(0xff)
  for (const kind of ['text', 'json'] as const) assert.deepEqual(new Frame({ kind, data }).payload.kind, 'bytes')
})
