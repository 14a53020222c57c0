import { setTimeout as sleep } from 'node:timers/promises'
// The least that a durable push over Redis can cost: one XADD, and the XREAD that it wakes.
import { Redis } from 'ioredis'
import { stamp, textOf } from '../message.mjs'

const STREAM = 'hop'
const PATIENCE_MS = 2_000

/** @param {{ redis: string, role: 'node' | 'publisher' }} settings */
export async function start({ redis: url, role }) {
  const redis = new Redis(url)
  if (role === 'publisher') return { push: (_uid, t) => redis.xadd(STREAM, '*', 'm', textOf(t)) }
  const latencies = []
  void readAll(redis, (text) => latencies.push(stamp() - JSON.parse(text).t))
  return {
    calls: {
      latencies: async ({ count }) => {
        const deadline = performance.now() + PATIENCE_MS
        while (latencies.length < count && performance.now() < deadline) await sleep(10)
        return latencies.splice(0)
      },
    },
  }
}

async function readAll(redis, heard) {
  let last = '0'
  for (;;) {
    const [[, entries]] = (await redis.xread('BLOCK', 0, 'STREAMS', STREAM, last)) ?? [[STREAM, []]]
    for (const [id, [, text]] of entries) {
      heard(text)
      last = id
    }
  }
}
