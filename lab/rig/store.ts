import { tmpdir } from 'node:os'
import { freePort } from '../../test/support/free-port.ts'
import { Child } from './child.ts'

/** A Redis that the lab starts for itself; it keeps nothing on disk. */
export class Store {
  readonly child: Child
  readonly port: number

  private constructor(child: Child, port: number) {
    this.child = child
    this.port = port
  }

  static async start(): Promise<Store> {
    const port = await freePort()
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', tmpdir(), '--save', '', '--appendonly', 'no']
    const child = new Child({ name: 'redis-server', core: 'rest', command: 'redis-server', args })
    await child.said(/Ready to accept connections/)
    return new Store(child, port)
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  stop(): Promise<void> {
    return this.child.stop()
  }
}
