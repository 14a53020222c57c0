import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Child } from '../../test/support/child.ts'
import { until } from '../../test/support/until.ts'
import { Proxy, ProxyFolder, type ProxyOptions, type Replacement } from './proxy.ts'

/** HAProxy with deploy/haproxy.cfg. */
export class Haproxy extends Proxy {
  static async start({ nodes, timeout = '60s' }: ProxyOptions): Promise<Haproxy> {
    const folder = await ProxyFolder.make()
    await folder.write('haproxy.cfg', [
      ['maxconn 30000', 'maxconn 2000\n  log stdout format raw local0'],
      ['mode http\n', 'mode http\n  log global\n  option httplog\n'],
      ['/run/haproxy/admin.sock mode', `${folder.path}/admin.sock mode`],
      ['bind :80', `bind 127.0.0.1:${folder.port}`],
      ['src 127.0.0.0/8', 'src 127.0.0.1'],
      ...['tunnel', 'client', 'server'].map((side): Replacement => [
        `timeout ${side} 60s`,
        `timeout ${side} ${timeout}`,
      ]),
      ...nodes.map((port, index): Replacement => [` flotilla-${index + 1}:18308`, ` 127.0.0.1:${port}`]),
    ])
    const child = new Child('haproxy', ['-db', '-f', folder.config])
    return new Haproxy(folder, child).opened()
  }

  async takeOut(index: number): Promise<void> {
    await this.#ask(`set server flotilla/flotilla-${index + 1} state drain`)
  }

  async putBack(index: number): Promise<void> {
    await this.#ask(`set server flotilla/flotilla-${index + 1} state ready`)
  }

  async usesAgain(index: number): Promise<void> {
    await until('the node is up', async () => (await this.#stateOf(index)) === 'UP', { every: 100 })
  }

  async #stateOf(index: number): Promise<string | undefined> {
    const [head = '', ...rows] = (await this.#ask('show stat')).split('\n')
    const row = rows.find((line) => line.startsWith(`flotilla,flotilla-${index + 1},`))
    return row?.split(',')[head.split(',').indexOf('status')]
  }

  /** A line for the admin socket: its answer. */
  async #ask(command: string): Promise<string> {
    const socket = connect(join(this.folder.path, 'admin.sock'))
    socket.write(`${command}\n`)
    return text(socket)
  }
}
