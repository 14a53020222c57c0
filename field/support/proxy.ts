import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child } from '../../test/support/child.ts'
import { freePort } from '../../test/support/free-port.ts'
import { until } from '../../test/support/until.ts'

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url))

export interface ProxyOptions {
  /** Ports of the nodes on 127.0.0.1, in the order in which the file lists them. */
  readonly nodes: readonly [number, number, number]
  /** Replaces the 60 s after which an idle connection is closed. */
  readonly timeout?: string
}

export type Replacement = readonly [from: string, to: string]

/** A folder of its own for a proxy, with a file of deploy/ in which only addresses, paths and limits are replaced. */
export class ProxyFolder {
  readonly path: string
  readonly port: number

  private constructor(path: string, port: number) {
    this.path = path
    this.port = port
  }

  static async make(): Promise<ProxyFolder> {
    const path = await mkdtemp(join(tmpdir(), 'flotilla-proxy-'))
    // nginx keeps large bodies in it, and its workers are another user.
    await chmod(path, 0o755)
    return new ProxyFolder(path, await freePort())
  }

  get config(): string {
    return join(this.path, 'proxy.conf')
  }

  async write(name: string, replacements: readonly Replacement[]): Promise<void> {
    await writeFile(this.config, replaced(await readFile(join(deploy, name), 'utf8'), replacements))
  }

  async change(...replacement: Replacement): Promise<void> {
    await writeFile(this.config, replaced(await readFile(this.config, 'utf8'), [replacement]))
  }
}

/** A real proxy in front of three nodes. Services are at 127.0.0.1, and everybody else is at other addresses. */
export abstract class Proxy {
  protected readonly folder: ProxyFolder
  protected readonly child: Child

  constructor(folder: ProxyFolder, child: Child) {
    this.folder = folder
    this.child = child
  }

  get host(): string {
    return `127.0.0.1:${this.folder.port}`
  }

  get log(): string {
    return this.child.stdout + this.child.stderr
  }

  /** As an operator does, while the node goes on. New clients get other nodes. */
  abstract takeOut(index: number): Promise<void>

  abstract putBack(index: number): Promise<void>

  /** Resolves once the proxy sends clients to this node, which has just started again. */
  abstract usesAgain(index: number): Promise<void>

  async opened(): Promise<this> {
    await until('the proxy listens', async () => {
      if (!this.child.running) throw new Error(`it ended: ${this.child.stdout}${this.child.stderr}`)
      return fetch(`http://${this.host}/metrics`).then(
        ({ status }) => status === 404,
        () => false,
      )
    })
    return this
  }

  async stop(): Promise<void> {
    this.child.signal('SIGTERM')
    await this.child.exited
    await rm(this.folder.path, { recursive: true })
  }
}

/** @throws if there is nothing to replace: then the file says something else than the tests believe */
function replaced(config: string, replacements: readonly Replacement[]): string {
  return replacements.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the configuration has no "${from}"`)
    return text.replaceAll(from, to)
  }, config)
}
