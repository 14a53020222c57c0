import { NatsServer, natsPorts } from '../rig/nats-server.ts'
import { NodeProcess } from '../rig/node-process.ts'
import { Troupe } from '../rig/troupe.ts'
import type { System } from './system.ts'

/** Two servers in a cluster. The clients connect to one over its own WebSocket, the publisher to the other. */
export const nats: System = {
  id: 'nats',
  kind: 'nats',
  role: 'peer',
  needsPackages: true,
  label: 'NATS',
  greeting: {
    path: '/',
    hello: 'CONNECT {"verbose":false}\r\nSUB all 1\r\nSUB u%d 2\r\nPING\r\n',
    welcome: 'PONG',
    isNats: true,
  },
  async start({ publisherFlags = [] }) {
    const troupe = new Troupe()
    const [near, far] = [await natsPorts(), await natsPorts()]
    const subject = await troupe.add(NatsServer.start("NATS's node", 'subject', near, far))
    await troupe.add(NatsServer.start("NATS's other node", 'rest', far, near))
    const settings = { server: `127.0.0.1:${far.client}` }
    const publisher = await troupe.add(
      NodeProcess.start({ name: "NATS's publisher", core: 'rest', system: 'nats', settings, flags: publisherFlags }),
    )
    return { subject: subject.child, ports: [near.websocket], publisher, stop: () => troupe.stop() }
  },
}
