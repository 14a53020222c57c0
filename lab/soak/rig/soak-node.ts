import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Child } from '../../bench/rig/child.ts'
import type { Store } from '../../bench/rig/store.ts'
import { SoakError } from '../soak-error.ts'

/** ms. Short, so that a guest that was killed is cleaned up well before the end. */
const HEARTBEAT = 1_000
export const DEAD_AFTER = 4_000
const PATIENCE = 120_000

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const cli = file('../../../dist/standalone/cli.js')
const probe = file('../nodes/probe.mjs')
const config = file('../nodes/config.json')

/** What a process holds, in bytes, after a full collection. */
export interface Memory {
  readonly rss: number
  /** V8's heap and what hangs on it outside, such as buffers. */
  readonly heap: number
}

/** What a node says of itself. */
export interface Residents {
  readonly connectionCount: number
  readonly userCount: number
  readonly groupCount: number
  readonly tooSlowCount: number
  readonly pushCount: number
}

/** `flotilla start`, as users run it, with a probe that tells its memory. */
export class SoakNode {
  readonly name: string
  readonly id: string
  readonly url: string
  readonly #child: Child
  readonly #waiting = new Map<number, (memory: Memory) => void>()
  #lastId = 0

  private constructor(name: string, child: Child, id: string, url: string) {
    this.name = name
    this.#child = child
    this.id = id
    this.url = url
    child.process.on('message', ({ id, ...memory }: Memory & { id: number }) => {
      this.#waiting.get(id)?.(memory)
      this.#waiting.delete(id)
    })
  }

  static async start(name: string, store: Store): Promise<SoakNode> {
    const times = ['--heartbeat', String(HEARTBEAT), '--dead-after', String(DEAD_AFTER)]
    const flags = ['--dev', '--port', '0', '--name', name, '--redis', store.url, '--log-level', 'error', ...times]
    const args = ['--expose-gc', '--import', probe, cli, 'start', '--config', config, ...flags]
    const child = new Child({ name, core: 'subject', command: process.execPath, args, ipc: true })
    await within(child.said(/^ready node=\S+ url=\S+$/m), `${name} did not start`)
    const [, id = '', url = ''] = /^ready node=(\S+) url=(\S+)$/m.exec(child.output) ?? []
    return new SoakNode(name, child, id, url)
  }

  measure(): Promise<Memory> {
    const id = ++this.#lastId
    const measured = new Promise<Memory>((resolve) => this.#waiting.set(id, resolve))
    this.#child.process.send({ id })
    return within(Promise.race([measured, this.#child.failed()]), `${this.name} did not tell its memory`)
  }

  async broadcast(message: string): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ all: true, message })
    const { status } = await fetch(`${this.url}/api/push`, { method: 'POST', headers, body })
    if (status !== 200) throw new SoakError(`${this.name} answered a push with ${status}`)
  }

  async residents(): Promise<Residents> {
    const answer = await fetch(`${this.url}/api/stats`, { signal: AbortSignal.timeout(PATIENCE) })
    return ((await answer.json()) as { local: Residents }).local
  }

  /** By SIGTERM, which it follows by handing in what it owes. */
  async stop(): Promise<void> {
    const { process } = this.#child
    if (process.exitCode !== null) return
    const ended = once(process, 'exit')
    process.kill('SIGTERM')
    const [code] = (await within(ended, `${this.name} did not stop`)) as [number | null]
    if (code !== 0) throw new SoakError(`${this.name} ended with ${code}. It said: ${this.#child.output}`)
  }

  /** By SIGKILL: the others have to notice. */
  kill(): Promise<void> {
    return this.#child.stop()
  }
}

async function within<Value>(value: Promise<Value>, failure: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SoakError(`${failure} within ${PATIENCE / 1000} s`)), PATIENCE)
  })
  try {
    return await Promise.race([value, late])
  } finally {
    clearTimeout(timer)
  }
}
