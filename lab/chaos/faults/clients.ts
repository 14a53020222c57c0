import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { Random } from '../../rig/random.ts'
import { storeKinds } from '../store-kind.ts'
import { type Fault, secondsOf, slotsOf } from './fault.ts'

const BIG = 'x'.repeat(60_000)
const PAUSE = 20
const PATIENCE = 5_000

/** Clients that stop reading and are sent more than a node should keep for them. All other clients must not notice. */
const hogs: Fault = {
  name: 'hogs',
  stores: storeKinds,
  plan(random, frame) {
    const slot = random.pick(slotsOf(frame))
    const count = random.int(3, 8)
    const pushes = random.int(60, 200)
    return {
      slots: [slot],
      detail: `${count} clients of n${slot} stop reading and are sent ${Math.round((pushes * BIG.length) / 1e6)} MB each`,
      async run(stage) {
        const { port } = stage.node(slot)
        const uids = Array.from({ length: count }, (_, index) => `hog${index}`)
        const sockets = await Promise.all(uids.map((uid) => connect(`ws://127.0.0.1:${port}/chaos?uid=${uid}`)))
        for (const socket of sockets) socket.pause()
        for (let index = 0; index < pushes; index++) {
          await push(port, uids)
          await sleep(PAUSE)
        }
        for (const socket of sockets) socket.terminate()
      },
    }
  },
}

async function connect(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  // The node closes the connection, or the fault does; both are expected.
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

async function push(port: number, uid: readonly string[]): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/api/push`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ uid, message: BIG }),
    signal: AbortSignal.timeout(PATIENCE),
  })
  await response.arrayBuffer()
}

const MASS = 1 / 3

const massLeave: Fault = {
  name: 'mass-leave',
  stores: storeKinds,
  plan(random, { clients }) {
    const leaving = random.some(
      Array.from({ length: clients }, (_, index) => index),
      Math.ceil(clients * MASS),
    )
    const how = random.pick(['left', 'vanished'] as const)
    return {
      slots: [],
      isHarmless: true,
      detail: `${leaving.length} clients at once, ${how === 'left' ? 'in good order' : 'without a closing handshake'}`,
      async run(_stage, _window, people) {
        people.leave(leaving, how)
      },
    }
  },
}

const CROWD_RATE = 40
const LEAVING_RATE = 20
const TICK = 25

/** Pushes to two groups that every client is in, while some clients leave and come back. */
const crowd: Fault = {
  name: 'crowd',
  stores: storeKinds,
  plan(random, { deadAfter, clients }) {
    const crowdedFor = random.between(1, 2) * deadAfter
    const seed = random.int(0, 1e9)
    return {
      slots: [],
      isHarmless: true,
      detail:
        `${CROWD_RATE} pushes a second to two groups of all clients, while ${LEAVING_RATE} clients a second leave, ` +
        `for ${secondsOf(crowdedFor)}`,
      async run({ clock }, _window, people) {
        const own = new Random(seed)
        const begin = clock.now
        for (let pushed = 0, left = 0, passed = 0; passed < crowdedFor; passed = clock.now - begin) {
          for (; pushed < (passed / 1_000) * CROWD_RATE; pushed++) people.pushToCrowd(pushed % 2)
          for (; left < (passed / 1_000) * LEAVING_RATE; left++) {
            people.leave([own.int(0, clients - 1)], own.chance(0.7) ? 'left' : 'vanished')
          }
          await sleep(TICK)
        }
      },
    }
  },
}

export const clientFaults: readonly Fault[] = [hogs, massLeave, crowd]
