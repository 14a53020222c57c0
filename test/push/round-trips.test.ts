import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Pusher } from '../../src/push/pusher.ts'
import { type Meddler, startPusher, type StoreCall } from './stage.ts'

/** After this many turns of the event loop without a new call, the pusher waits for an answer. */
const QUIET_TURNS = 20

/** A store that answers in rounds: all waiting calls are answered together, and the calls that follow are the next. */
class Rounds {
  readonly rounds: StoreCall[][] = []
  #waiting: (() => void)[] = []
  #names: StoreCall[] = []

  readonly meddle: Meddler = async (name, call) => {
    this.#names.push(name)
    await new Promise<void>((resolve) => void this.#waiting.push(resolve))
    return call()
  }

  /** Answers until the work is done. Resolves to the calls of each round. */
  async of(work: Promise<unknown>): Promise<StoreCall[][]> {
    this.rounds.length = 0
    const progress = { isDone: false }
    void work.finally(() => (progress.isDone = true))
    while (!progress.isDone) {
      for (let turn = 0; turn < QUIET_TURNS; turn++) await new Promise((resolve) => void setImmediate(resolve))
      if (this.#names.length > 0) this.rounds.push(this.#names.splice(0).toSorted())
      for (const answer of this.#waiting.splice(0)) answer()
    }
    await work
    return [...this.rounds]
  }
}

async function start(t: TestContext, isDirect: boolean): Promise<{ rounds: Rounds; pusher: Pusher }> {
  const rounds = new Rounds()
  const { pusher, close } = await startPusher(rounds.meddle, isDirect)
  t.after(close)
  return { rounds, pusher }
}

for (const isDirect of [false, true]) {
  const store = isDirect ? 'that looks up and appends in one call' : 'whose inboxes lie elsewhere'

  test(`on a store ${store}, the id of a push is reserved beside its lookup`, async (t) => {
    const { rounds, pusher } = await start(t, isDirect)
    assert.deepEqual(await rounds.of(pusher.push({ uid: 'u1' }, 'x', { id: 'one' })), [
      ['locate', 'reserve'],
      ['publish'],
      ['settle'],
    ])
    assert.deepEqual(await rounds.of(pusher.push({ all: true }, 'x', { id: 'all' })), [
      ['reserve'],
      ['publishAll'],
      ['settle'],
    ])
  })

  test(`on a store ${store}, a push without an id to the same target costs no more for one with an id before it`, async (t) => {
    const { rounds, pusher } = await start(t, isDirect)
    const both = [pusher.push({ uid: 'u1' }, 'x', { id: 'one' }), pusher.push({ uid: 'u1' }, 'y')]
    assert.deepEqual(await rounds.of(Promise.all(both)), [['locate', 'reserve'], ['publish'], ['settle']])
  })
}

test('a push without an id costs what it did: a lookup and an append, or one call for both', async (t) => {
  for (const [isDirect, expected] of [
    [false, [['locate'], ['publish']]],
    [true, [['appendWhereFound']]],
  ] as const) {
    const { rounds, pusher } = await start(t, isDirect)
    assert.deepEqual(await rounds.of(pusher.push({ uid: 'u1' }, 'x')), expected)
  }
})
