import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../test/support/until.ts'
import { Crowd } from './support/crowd.ts'
import { call, Fleet, tokenOf } from './support/fleet.ts'
import { Haproxy } from './support/haproxy.ts'
import { Nginx } from './support/nginx.ts'

const CLIENT_COUNT = 500
const PUSHES_PER_SECOND = 50

for (const program of [Nginx, Haproxy]) {
  test(`behind ${program.name}, three nodes restart one after another: no connect and no push fails`, async (t) => {
    const fleet = await Fleet.start()
    t.after(() => fleet.stop())
    const proxy = await program.start({ nodes: fleet.ports })
    t.after(() => proxy.stop())
    const crowd = new Crowd(async (uid) => `ws://${proxy.host}/ws?token=${await tokenOf(uid)}`)
    t.after(() => crowd.leave())
    const uids = Array.from({ length: CLIENT_COUNT }, (_, index) => `u${index}`)
    await crowd.join(uids)
    const pushes = new Pushes(proxy.host, uids)

    for (const index of fleet.ports.keys()) {
      const before = crowd.reconnectCount
      assert.deepEqual(await fleet.node(index).stop(), { code: 0, signal: null })
      await fleet.startNode(index)
      await proxy.usesAgain(index)
      await until('everybody is connected', () => crowd.openCount === CLIENT_COUNT)
      assert.ok(crowd.reconnectCount > before, 'the node had clients')
    }

    await pushes.end()
    assert.deepEqual(crowd.failures, [])
    assert.deepEqual(pushes.failures, [], [...pushes.failures, proxy.log].join('\n'))
    const hasArrived = ({ uid, message }: Push): boolean => crowd.has(uid, message)
    await until('every push has arrived whose user was not called offline', () => pushes.stored.every(hasArrived))
    t.diagnostic(`${pushes.count} pushes, ${crowd.reconnectCount} reconnects`)
  })
}

interface Push {
  readonly uid: string
  readonly message: string
}

/** Pushes to one user after another until it is told to end, whatever has become of the pushes before. */
class Pushes {
  count = 0
  /** For users who were there. */
  readonly stored: Push[] = []
  readonly failures: string[] = []
  readonly #host: string
  readonly #uids: readonly string[]
  readonly #underWay: Promise<void>[] = []
  readonly #loop: Promise<void>
  #isOver = false

  constructor(host: string, uids: readonly string[]) {
    this.#host = host
    this.#uids = uids
    this.#loop = this.#run()
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#loop
    await Promise.all(this.#underWay)
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      this.#underWay.push(this.#push())
      await pause(1000 / PUSHES_PER_SECOND)
    }
  }

  async #push(): Promise<void> {
    const number = this.count++
    const push = { uid: this.#uids[number % this.#uids.length]!, message: `message ${number}` }
    try {
      const { status, body } = await call(this.#host, 'POST', '/api/push', { ...push, id: `push-${number}` })
      if (status !== 200) this.failures.push(`${push.message}: ${status} ${JSON.stringify(body)}`)
      else if ((body as { offline: string[] }).offline.length === 0) this.stored.push(push)
    } catch (error) {
      this.failures.push(`${push.message}: ${String(error)}`)
    }
  }
}
