import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PushEnvelope } from '../../src/envelope/envelope.ts'
import type { PushId } from '../../src/envelope/ids.ts'
import { encodePayload, type Payload } from '../../src/envelope/payload.ts'
import { OutboundMessage } from '../../src/outbound/outbound-message.ts'

const LONG = 'x'.repeat(2_000)
const payloads: Payload[] = [encodePayload(LONG), encodePayload([LONG]), encodePayload(Buffer.from(LONG))]

const same = (found: Payload, payload: Payload): void => {
  assert.equal(found.kind, payload.kind)
  assert.deepEqual(Buffer.from(found.data), Buffer.from(payload.data))
}

for (const payload of payloads) {
  test(`an encoding is made once for all receivers: ${payload.kind}`, () => {
    const message = new OutboundMessage(payload)
    assert.equal(message.frame, message.frame)
    assert.equal(message.deflatedFrame(1), message.deflatedFrame(1))
    assert.ok(message.deflatedFrame(1).bytes.length < message.frame.bytes.length)
  })

  test(`a released message can be sent again, from either encoding: ${payload.kind}`, async () => {
    for (const encode of [
      (message: OutboundMessage) => message.frame,
      (message: OutboundMessage) => message.deflatedFrame(1),
    ]) {
      const message = new OutboundMessage(payload)
      encode(message)
      message.release()
      same(message.payload, payload)
      await nextTurn()
      same(message.payload, payload)
      assert.deepEqual(message.frame.bytes, new OutboundMessage(payload).frame.bytes)
    }
  })
}

test('a released message keeps nothing of the memory that it was read from', async () => {
  const to = { type: 'all' as const }
  const payload = encodePayload(Buffer.from(LONG))
  const push: PushEnvelope = { type: 'push', id: 'p' as PushId, to, payload, hops: 0, resent: false }
  const message = OutboundMessage.ofPush(push, undefined)
  assert.equal(message.push, push)
  const { bytes } = message.frame
  message.release()
  await nextTurn()
  assert.deepEqual(message.push, {
    type: 'push',
    id: 'p',
    to,
    except: undefined,
    key: undefined,
    hops: 0,
    resent: false,
  })
  assert.equal((message.payload.data as Buffer).buffer, bytes.buffer)
})

test('a text that is not UTF-8 is sent as bytes', () => {
  const data = Uint8Array.of(0xff)
  for (const kind of ['text', 'json'] as const) assert.equal(new OutboundMessage({ kind, data }).payload.kind, 'bytes')
})
