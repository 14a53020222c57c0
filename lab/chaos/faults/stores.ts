import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../../test/support/free-port.ts'
import type { Stage } from '../rig/stage.ts'
import { SingleStore } from '../rig/stores.ts'
import { type Fault, secondsOf } from './fault.ts'

const single = ['single'] as const
const storeOf = (stage: Stage): SingleStore => stage.storeAs(SingleStore)

const restart: Fault = {
  name: 'store-restart',
  stores: single,
  plan(random, frame) {
    const downFor = random.pick([0, 0.3, 1.3]) * frame.deadAfter
    return {
      slots: [],
      detail: `kill -9 of the store, back with its data after ${secondsOf(downFor)}`,
      async run(stage) {
        await storeOf(stage).server.kill9()
        await sleep(downFor)
        await storeOf(stage).server.restart()
      },
    }
  },
}

const loss: Fault = {
  name: 'store-loss',
  stores: single,
  plan(random, frame) {
    const downFor = random.pick([0, 0.3, 1.3]) * frame.deadAfter
    return {
      slots: [],
      detail: `kill -9 of the store, back empty after ${secondsOf(downFor)}`,
      async run(stage, window) {
        window.destroyed = { what: 'all', from: stage.clock.now, to: Number.POSITIVE_INFINITY }
        await storeOf(stage).server.kill9()
        await sleep(downFor)
        await storeOf(stage).server.restart({ empty: true })
        window.destroyed.to = stage.clock.now
      },
    }
  },
}

const flush: Fault = {
  name: 'flushall',
  stores: single,
  plan: () => ({
    slots: [],
    detail: 'FLUSHALL',
    async run(stage, window) {
      await storeOf(stage).command('FLUSHALL')
      // What was stored while the command was on its way is gone, too.
      window.destroyed = { what: 'all', from: stage.clock.now, to: stage.clock.now }
    },
  }),
}

const pause: Fault = {
  name: 'store-pause',
  stores: single,
  plan(random, frame) {
    const pausedFor = random.pick([0.3, 0.9, 1.5]) * frame.deadAfter
    return {
      slots: [],
      detail: `SIGSTOP of the store for ${secondsOf(pausedFor)}`,
      async run(stage) {
        storeOf(stage).server.pause()
        await sleep(pausedFor)
        storeOf(stage).server.resume()
      },
    }
  },
}

const busy: Fault = {
  name: 'store-busy',
  stores: single,
  plan(random) {
    const sleeps = Array.from({ length: random.int(2, 6) }, () => random.between(0.1, 1.2))
    return {
      slots: [],
      detail: `DEBUG SLEEP, ${sleeps.length} times, ${secondsOf(sleeps.reduce((sum, each) => sum + each * 1_000, 0))} in all`,
      async run(stage) {
        for (const seconds of sleeps) {
          await storeOf(stage).command('DEBUG', 'SLEEP', seconds.toFixed(2))
          await sleep(300)
        }
      },
    }
  },
}

const clientKill: Fault = {
  name: 'client-kill',
  stores: single,
  plan(random) {
    const times = random.int(1, 4)
    const every = random.between(100, 1_000)
    return {
      slots: [],
      detail: `CLIENT KILL of every connection, ${times} times`,
      async run(stage) {
        for (let time = 0; time < times; time++) {
          await storeOf(stage).command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
          await sleep(every)
        }
      },
    }
  },
}

const full: Fault = {
  name: 'store-full',
  stores: single,
  plan(random, frame) {
    const fullFor = random.pick([0.3, 0.9, 1.5]) * frame.deadAfter
    return {
      slots: [],
      detail: `maxmemory is reached, noeviction, for ${secondsOf(fullFor)}`,
      async run(stage) {
        await storeOf(stage).command('CONFIG', 'SET', 'maxmemory', '1')
        await sleep(fullFor)
        await storeOf(stage).command('CONFIG', 'SET', 'maxmemory', '0')
      },
    }
  },
}

const readOnly: Fault = {
  name: 'store-read-only',
  stores: single,
  plan(random, frame) {
    const readOnlyFor = random.pick([0.3, 0.9, 1.5]) * frame.deadAfter
    return {
      slots: [],
      detail: `the store is a replica, and read-only, for ${secondsOf(readOnlyFor)}`,
      async run(stage) {
        // A replica of a master that does not exist keeps its data.
        await storeOf(stage).command('REPLICAOF', '127.0.0.1', String(await freePort()))
        await sleep(readOnlyFor)
        await storeOf(stage).command('REPLICAOF', 'NO', 'ONE')
      },
    }
  },
}

export const storeFaults: readonly Fault[] = [restart, loss, flush, pause, busy, clientKill, full, readOnly]
