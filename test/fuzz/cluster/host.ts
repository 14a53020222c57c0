import type { Driver } from '../../../src/drivers/driver.ts'
import { createServer, defineModule, type Server } from '../../../src/index.ts'
import { Plug } from './plug.ts'

export const HEARTBEAT = 100
export const DEAD_AFTER = 4 * HEARTBEAT
/** ms that a call may wait for the store, or for the reply of a node that is gone. */
const STORE_WAIT = 15_000

const ws = defineModule('/ws', {
  handshake(ctx) {
    ctx.uid = ctx.url.searchParams.get('uid')!
    const groups = ctx.url.searchParams.get('groups') ?? ''
    for (const group of groups.split(',').filter(Boolean)) ctx.groups.add(group)
  },
})

/** A node in this process that can be paused and killed as if it had a process of its own. */
export class Host {
  readonly server: Server
  readonly plug: Plug
  state: 'up' | 'paused' | 'dead' = 'up'

  private constructor(driver: Driver, prefix: string, name: string, heartbeat: number) {
    this.plug = new Plug(driver)
    const times = { heartbeat, deadAfter: 4 * heartbeat, storeWait: STORE_WAIT, pingInterval: 0 }
    this.server = createServer({ modules: [ws], driver: this.plug.driver, prefix, name, ...times })
  }

  static async start(driver: Driver, prefix: string, name: string, heartbeat = HEARTBEAT): Promise<Host> {
    const host = new Host(driver, prefix, name, heartbeat)
    await host.server.listen(0)
    return host
  }

  get url(): string {
    return this.server.url!
  }

  get id(): string {
    return this.server.cluster.self
  }

  pause(): void {
    this.state = 'paused'
    this.plug.shut()
  }

  resume(): void {
    this.state = 'up'
    this.plug.open()
  }

  /** Kills the node without a goodbye: from now on nothing it does reaches the store. */
  async kill(): Promise<void> {
    this.state = 'dead'
    this.plug.cut()
    await this.server.close({ timeout: 1 })
  }
}
