import { setTimeout as sleep } from 'node:timers/promises'
import slotOf from 'cluster-key-slot'
import { Redis } from 'ioredis'
import type { RedisServer } from '../../../test/support/redis.ts'
import { comesTrue } from '../../../test/support/until.ts'
import type { Random } from '../../rig/random.ts'
import type { FaultWindow } from '../history.ts'
import type { Stage } from '../rig/stage.ts'
import { ClusterStore, SentinelStore } from '../rig/stores.ts'
import { type Fault, type Frame, type PlannedFault, secondsOf } from './fault.ts'

/** An old master that comes back accepts writes until it learns, within this many ms, that it has been replaced. */
const DEMOTION_PATIENCE = 20_000
const POLL = 100

interface Failover {
  /** The master that will fall silent, and come back later. */
  readonly master: RedisServer
  /** Resolves once its replica has taken over. */
  readonly failedOver: () => Promise<void>
}

function failover(
  name: string,
  kind: 'sentinel' | 'cluster',
  begin: (stage: Stage, draw: number) => Promise<Failover>,
) {
  const fault = (how: 'kill' | 'pause'): Fault => ({
    name: `${name}-${how}`,
    stores: [kind],
    plan: (random, frame) => plan(random, frame, how),
  })
  const plan = (random: Random, frame: Frame, how: 'kill' | 'pause'): PlannedFault => {
    const draw = random.next()
    const backAfter = random.between(0, 1.5) * frame.deadAfter
    const verb = how === 'kill' ? 'kill -9' : 'SIGSTOP'
    return {
      slots: [],
      detail: `${verb} of a master, back ${secondsOf(backAfter)} after its replica has taken over`,
      async run(stage, window) {
        const { master, failedOver } = await begin(stage, draw)
        const destroyed = losesTail(stage, window)
        if (how === 'kill') await master.kill9()
        else master.pause()
        await failedOver()
        destroyed.to = stage.clock.now
        await sleep(backAfter)
        if (how === 'kill') await master.restart()
        else master.resume()
        await demoted(master)
        // A client that still talked to the old master was told that its writes were accepted.
        destroyed.to = stage.clock.now
      },
    }
  }
  return [fault('kill'), fault('pause')]
}

/** Writes that the replica has not received yet are lost with the master. */
function losesTail(stage: Stage, window: FaultWindow): NonNullable<FaultWindow['destroyed']> {
  window.destroyed = { what: 'tail', from: stage.clock.now, to: Number.POSITIVE_INFINITY }
  return window.destroyed
}

async function demoted({ port }: RedisServer): Promise<void> {
  const redis = new Redis({ host: '127.0.0.1', port })
  redis.on('error', () => {})
  try {
    await comesTrue(async () => /role:slave/.test(await redis.info('replication')), DEMOTION_PATIENCE, POLL)
  } finally {
    redis.disconnect()
  }
}

const sentinelFailovers = failover('sentinel-failover', 'sentinel', async (stage) => {
  const { trio } = stage.storeAs(SentinelStore)
  const { master } = await trio.roles()
  return { master, failedOver: () => trio.failedOver(master) }
})

const SLOTS = 16_384

const clusterFailovers = failover('cluster-failover', 'cluster', async (stage, draw) => {
  const { cluster } = stage.storeAs(ClusterStore)
  const slot = Math.floor(draw * SLOTS)
  const master = await cluster.masterOf(slot)
  return { master, failedOver: () => cluster.failedOver(slot, master) }
})

const slotMoves: Fault = {
  name: 'slot-moves',
  stores: ['cluster'],
  plan(random) {
    const count = random.int(3, 12)
    const pauses = Array.from({ length: count }, () => random.between(0, 300))
    const draws = Array.from({ length: count }, () => random.next())
    return {
      slots: [],
      detail: `${count} slots in use move to other masters, one after another`,
      async run(stage) {
        const { cluster } = stage.storeAs(ClusterStore)
        for (const [index, pause] of pauses.entries()) {
          const masters = await cluster.masters()
          const from = masters[Math.floor(draws[index]! * masters.length)]!
          const key = await from.randomkey()
          if (key === null) continue
          const slot = slotOf(key)
          const source = await cluster.masterOf(slot)
          const others = cluster.servers.filter(
            (server) => server !== source && masters.some(({ options }) => options.port === server.port),
          )
          const target = others[index % others.length]!
          await cluster.beginToMove(slot, target)
          await sleep(pause)
          while (await cluster.moveKeys(slot, target, 3)) await sleep(pause / 10)
          await cluster.finishMove(slot, target)
          await sleep(pause)
        }
      },
    }
  },
}

export const failovers: readonly Fault[] = [...sentinelFailovers, ...clusterFailovers, slotMoves]
