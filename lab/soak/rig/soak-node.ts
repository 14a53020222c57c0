import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { cli, READY } from '../../../test/support/start-node.ts'
import { Child } from '../../rig/child.ts'
import { LabError } from '../../rig/lab-error.ts'
import { Questions } from '../../rig/questions.ts'
import type { Store } from '../../rig/store.ts'
import { within } from '../../rig/within.ts'

/** In ms. Short, so that the others have cleaned up after a killed guest well before the end. */
const HEARTBEAT = 1_000
export const DEAD_AFTER = 4_000
const PATIENCE = 120_000

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const probe = file('../nodes/probe.mjs')
const config = file('../nodes/config.json')

/** The memory of a process in bytes, after a full collection. */
export interface Memory {
  readonly rss: number
  /** V8's heap and the memory that it refers to outside, such as buffers. */
  readonly heap: number
}

/** The counts that a node reports about itself. */
export interface Residents {
  readonly connectionCount: number
  readonly userCount: number
  readonly groupCount: number
  readonly tooSlowCount: number
  readonly pushCount: number
}

/** `flotilla start`, as users run it, with a probe that reports its memory. */
export class SoakNode {
  readonly name: string
  readonly id: string
  readonly url: string
  readonly #child: Child
  readonly #questions: Questions<Memory>

  private constructor(name: string, child: Child, id: string, url: string) {
    this.name = name
    this.#child = child
    this.id = id
    this.url = url
    this.#questions = new Questions(child)
  }

  static async start(name: string, store: Store): Promise<SoakNode> {
    const times = ['--heartbeat', String(HEARTBEAT), '--dead-after', String(DEAD_AFTER)]
    const flags = ['--dev', '--port', '0', '--name', name, '--redis', store.url, '--log-level', 'error', ...times]
    const args = ['--expose-gc', '--import', probe, cli, 'start', '--config', config, ...flags]
    const child = new Child({ name, core: 'subject', command: process.execPath, args, ipc: true })
    await within(PATIENCE, `${name} did not start`, child.said(READY))
    const [, id = '', url = ''] = READY.exec(child.output) ?? []
    return new SoakNode(name, child, id, url)
  }

  measure(): Promise<Memory> {
    return within(PATIENCE, `${this.name} did not report its memory`, this.#questions.ask())
  }

  async broadcast(message: string): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ all: true, message })
    const { status } = await fetch(`${this.url}/api/push`, { method: 'POST', headers, body })
    if (status !== 200) throw new LabError(`${this.name} answered a push with ${status}`)
  }

  async residents(): Promise<Residents> {
    const answer = await fetch(`${this.url}/api/stats`, { signal: AbortSignal.timeout(PATIENCE) })
    return ((await answer.json()) as { local: Residents }).local
  }

  /** Sends SIGTERM. The node then forwards its unfinished work before it ends. */
  async stop(): Promise<void> {
    const { process } = this.#child
    if (process.exitCode !== null) return
    const ended = once(process, 'exit')
    process.kill('SIGTERM')
    const [code] = (await within(PATIENCE, `${this.name} did not stop`, ended)) as [number | null]
    if (code !== 0) throw new LabError(`${this.name} ended with ${code}. It said: ${this.#child.output}`)
  }

  /** Sends SIGKILL. The other nodes have to notice by themselves. */
  kill(): Promise<void> {
    return this.#child.stop()
  }
}
