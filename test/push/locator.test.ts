import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { State } from '../../src/drivers/state.ts'
import type { Uid } from '../../src/envelope/ids.ts'
import { Dispatcher } from '../../src/push/dispatcher.ts'
import { Locator, type NodeBook } from '../../src/push/locator.ts'
import { Parker } from '../../src/push/parker.ts'
import { parseOptions } from '../../src/settings.ts'
import { until } from '../support/until.ts'

const settings = parseOptions({ modules: [] })
const nodes: NodeBook = {
  nodeOf: () => undefined,
  isLive: () => true,
  standIn: (node) => node,
  refresh: async () => {},
}

// Invariant D1: lookups are answered in the order of the questions.
test('answers come in the order of the questions, however long a lookup takes, and the busier, the fewer lookups', async (t) => {
  const driver = memory()
  const state = driver.state(settings)
  t.after(() => state.close())
  const gates: (() => void)[] = []
  const lookups: (readonly Uid[])[] = []
  const locate: State['locate'] = async (lookup) => {
    lookups.push(lookup.uids)
    // Only the first lookup takes long.
    if (lookups.length === 1) await new Promise<void>((resolve) => gates.push(resolve))
    return state.locate(lookup)
  }
  const queue = driver.queue(settings)
  t.after(() => queue.close())
  const locator = new Locator(Object.assign(Object.create(state) as State, { locate }), nodes, 60_000)
  const init = {
    queue,
    codec: settings.codec,
    publisher: 'p',
    locator,
    parker: new Parker(state, settings.codec),
    storeWait: settings.storeWait,
    onUndelivered: () => assert.fail(),
  }
  const dispatcher = new Dispatcher(init)
  const answered: string[] = []
  const ask = (name: string): void =>
    dispatcher.dispatch({
      target: { type: 'users', uids: [name as Uid] },
      make: () => assert.fail('nobody is there'),
      done: () => answered.push(name),
      failed: assert.fail,
    })
  ask('1')
  await until('the first lookup is under way', () => gates.length === 1)
  for (const name of ['2', '3', '4']) {
    ask(name)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(answered, [])
  gates[0]!()
  await until('all are answered', () => answered.length === 4)
  assert.deepEqual(answered, ['1', '2', '3', '4'])
  assert.deepEqual(lookups, [['1'], ['2', '3', '4']])
})
