import { once } from 'node:events'
import { WebSocket } from 'ws'
import { sleep } from '../clock.ts'
import { everyStore, type Fault, slotsOf } from './fault.ts'

const BIG = 'x'.repeat(60_000)
const PAUSE = 20
const PATIENCE = 5_000

/** Clients that read nothing, and are sent more than anybody should keep for them. All others must not notice. */
const hogs: Fault = {
  name: 'hogs',
  stores: everyStore,
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
  // It is closed by the node, or by us: both are what it is there for.
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

export const clientFaults: readonly Fault[] = [hogs]
