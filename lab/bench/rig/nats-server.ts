import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../../test/support/free-port.ts'
import { Child } from '../../rig/child.ts'
import type { Core } from '../../rig/cores.ts'

export interface NatsPorts {
  readonly client: number
  readonly websocket: number
  readonly cluster: number
}

export async function natsPorts(): Promise<NatsPorts> {
  return { client: await freePort(), websocket: await freePort(), cluster: await freePort() }
}

/** One of the two nodes of a NATS cluster. It has one thread for Go code, as Node has one for JavaScript. */
export class NatsServer {
  readonly child: Child

  private constructor(child: Child) {
    this.child = child
  }

  static async start(name: string, core: Core, own: NatsPorts, other: NatsPorts): Promise<NatsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-nats-'))
    const config = join(folder, 'nats.conf')
    await writeFile(config, configOf(own, other))
    const child = new Child({ name, core, command: 'nats-server', args: ['-c', config], env: { GOMAXPROCS: '1' } })
    await child.said(/Server is ready/)
    await rm(folder, { recursive: true })
    return new NatsServer(child)
  }

  stop(): Promise<void> {
    return this.child.stop()
  }
}

const configOf = (own: NatsPorts, other: NatsPorts): string => `
listen: 127.0.0.1:${own.client}
websocket { host: 127.0.0.1, port: ${own.websocket}, no_tls: true }
cluster { name: bench, listen: 127.0.0.1:${own.cluster}, routes: [nats://127.0.0.1:${other.cluster}] }
`
