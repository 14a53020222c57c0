import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RawClient } from '../support/raw-client.ts'
import { Opcode, rawFrame } from '../support/raw-frame.ts'
import { close, describeFrame } from './transcript.ts'

/** The frames that a client sends, and every frame that the server sends back until it ends the connection. */
export interface Case {
  readonly name: string
  readonly send: readonly Uint8Array[]
  /** If the last frame is not `close`, the client then closes with 1000, which the server answers. */
  readonly expect: readonly string[]
}

export interface CaseOptions {
  readonly url: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Every way if not given. */
  readonly deliveries?: readonly Delivery[]
}

/** How the frames are cut on their way to the server, which must not matter. */
type Delivery = 'in one write' | 'frame by frame' | 'chopped'

const DELIVERIES: readonly Delivery[] = ['in one write', 'frame by frame', 'chopped']
/** Cases that run at once. Most of the time they wait, and this many keep the servers busy. */
const CONCURRENCY = 16
/** Bytes. Longer input is not cut octet by octet but into pieces of a prime number of octets. */
const OCTET_BY_OCTET = 600
const CHOP = 997

/** Defines one test for each case. The test delivers the case in every way. */
export function conformance(title: string, cases: readonly Case[], options: CaseOptions): void {
  const { deliveries = DELIVERIES } = options
  describe(title, { concurrency: CONCURRENCY }, () => {
    for (const one of cases) {
      const ways = deliveries.filter((delivery) => isWorthwhile(delivery, one))
      it(one.name, async () => {
        for (const delivery of ways) await run(one, delivery, options)
      })
    }
  })
}

function isWorthwhile(delivery: Delivery, { send }: Case): boolean {
  return delivery !== 'frame by frame' || send.length > 1
}

async function run({ send, expect }: Case, delivery: Delivery, options: CaseOptions): Promise<void> {
  const { url, path = '/echo', headers = {} } = options
  using client = await RawClient.connect(url, path, headers)
  await deliver(client, send, delivery)
  const closes = expect.at(-1)?.startsWith('close') ?? false
  if (!closes) {
    await client.waitFor(expect.length)
    client.write(CLOSE)
  }
  await client.ended()
  const expected = { delivery, frames: closes ? expect : [...expect, close(1000)], bytesOfNoFrame: 0 }
  assert.deepEqual({ delivery, frames: client.frames.map(describeFrame), bytesOfNoFrame: client.rest }, expected)
}

async function deliver(client: RawClient, frames: readonly Uint8Array[], delivery: Delivery): Promise<void> {
  const bytes = Buffer.concat(frames)
  switch (delivery) {
    case 'in one write':
      client.write(bytes)
      return
    case 'frame by frame':
      for (const frame of frames) await client.writeChopped(frame, frame.length)
      return
    case 'chopped':
      await client.writeChopped(bytes, bytes.length <= OCTET_BY_OCTET ? 1 : CHOP)
      return
    default:
      delivery satisfies never
  }
}

// ---- frames to send

/** Code 1000, no reason. */
export const CLOSE = closing(1000)

export function closing(code: number, reason: string | Uint8Array = ''): Buffer {
  const codeBytes = Buffer.alloc(2)
  codeBytes.writeUInt16BE(code)
  return rawFrame(Buffer.concat([codeBytes, Buffer.from(reason)]), { opcode: Opcode.close })
}

export function ping(data: string | Uint8Array = ''): Buffer {
  return rawFrame(data, { opcode: Opcode.ping })
}

/** A message in fragments, the first of which has the opcode. */
export function fragments(parts: readonly (string | Uint8Array)[], opcode: number = Opcode.text): Buffer[] {
  return parts.map((part, index) =>
    rawFrame(part, { opcode: index === 0 ? opcode : Opcode.continuation, fin: index === parts.length - 1 }),
  )
}

/** Random-looking bytes, which are the same on every run. */
export function someBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = length + 1
  for (let index = 0; index < length; index++) {
    // Numerical Recipes' linear congruential generator.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}
