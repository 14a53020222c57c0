import { deepEqual, equal, ok } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { Clock } from '../../lab/chaos/clock.ts'
import { History } from '../../lab/chaos/history.ts'
import { parseOptions } from '../../lab/chaos/options.ts'
import { canSetClocksOff, ClockOffset } from '../../lab/chaos/rig/clock-offset.ts'
import { InboxWatch } from '../../lab/chaos/rig/inbox-watch.ts'
import { Keys } from '../../src/drivers/redis/keys.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { startRedis } from '../support/redis.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'

const INBOX = new Keys('p').inbox('n0-a' as NodeId)

describe('the watch over the inboxes', () => {
  const server = new SuiteRedis()

  it('sees how long the oldest entry has waited, and which pushes are left in the end', async () => {
    const history = new History()
    const nodes = [{ slot: 0, id: 'n0-a' }] as unknown as ConstructorParameters<typeof InboxWatch>[1]
    const store = { url: server.url, masters: async () => [server.raw], stop: async () => {} }
    const watch = new InboxWatch(store, nodes, history, new Clock())
    try {
      const [seconds] = await server.raw.time()
      const position = await server.raw.xadd(
        INBOX,
        `${Number(seconds) * 1_000 - 5_000}-0`,
        'd',
        '..#17 emitter uid:u1 ..',
      )
      await server.raw.xadd('p:{all}:in', '*', 'd', '#18 emitter all')
      await until('it has looked', () => history.inboxes.length > 0)
      const [{ slot, entries, behind }] = history.inboxes as [History['inboxes'][number]]
      deepEqual({ slot, entries }, { slot: 0, entries: 1 })
      ok(behind >= 4_000, `${behind} ms`)
      const standing = await watch.standing()
      deepEqual(
        standing.map(({ key, pushes }) => ({ key, pushes: [...pushes] })),
        [{ key: INBOX, pushes: [17] }],
      )
      await server.raw.xdel(INBOX, position!)
      await watch.untilEmpty(10_000)
      deepEqual(await watch.standing(), [])
    } finally {
      watch.stop()
    }
  })

  it('can be tested on servers whose clocks differ', { skip: !canSetClocksOff }, async () => {
    const offset = new ClockOffset()
    const ahead = await startRedis(undefined, offset.environment(100_000))
    const other = new Redis(ahead.url)
    try {
      const [[there], [here]] = await Promise.all([other.time(), server.raw.time()])
      const apart = Number(there) - Number(here)
      ok(apart >= 90 && apart <= 110, `${apart} s apart`)
    } finally {
      other.disconnect()
      await ahead.stop()
      offset.remove()
    }
  })
})

describe('the schedule', () => {
  it('includes starving nodes, mass departures and crowds on every store', () => {
    for (const store of ['single', 'sentinel', 'cluster']) {
      const options = parseOptions(['--store', store])
      if (options === 'help') throw new Error('it was not asked for help')
      const names = options.runs[0]!.faults.map(({ name }) => name)
      for (const name of ['starve', 'mass-leave', 'crowd']) ok(names.includes(name), `${store}: ${name}`)
    }
  })

  it(
    'sets clocks apart if a store has several servers, and the same seed gives the same clocks',
    { skip: !canSetClocksOff },
    () => {
      const clocksOf = (...args: string[]): readonly number[] => {
        const options = parseOptions(['--seed', '7', ...args])
        return options === 'help' ? [] : options.runs[0]!.clocks
      }
      equal(clocksOf('--store', 'single', '--clocks', 'apart').length, 0)
      const clocks = clocksOf('--store', 'cluster', '--clocks', 'apart')
      equal(new Set(clocks).size > 1, true)
      deepEqual(clocksOf('--store', 'cluster', '--clocks', 'apart'), clocks)
      deepEqual(clocksOf('--store', 'cluster', '--clocks', 'right'), [])
    },
  )
})
