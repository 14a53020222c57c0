import { fileURLToPath } from 'node:url'
import { Child } from './child.ts'

export const cli = fileURLToPath(new URL('../../dist/standalone/cli.js', import.meta.url))
/** What `flotilla start` prints once it can be used: its id in the cluster, and where it listens. */
export const READY = /^ready node=(\S+) url=(\S+)$/m

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** The body, parsed if it is JSON, otherwise as text. */
  readonly body: unknown
}

export interface NodeOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly apiKey?: string
}

/** A server as users run it: a separate process, from the built package. */
export class TestNode {
  readonly id: string
  readonly url: string
  readonly #child: Child
  readonly #apiKey: string | undefined

  private constructor(child: Child, id: string, url: string, apiKey: string | undefined) {
    this.#child = child
    this.id = id
    this.url = url
    this.#apiKey = apiKey
  }

  static async start(args: readonly string[], { env, apiKey }: NodeOptions): Promise<TestNode> {
    const given = apiKey === undefined ? args : [...args, '--api-key', apiKey]
    const port = args.includes('--port') || args.includes('--unix') ? [] : ['--port', '0']
    const child = new Child(process.execPath, [cli, 'start', ...port, ...given], { env: { ...process.env, ...env } })
    const [, id = '', url = ''] = await child.said(READY)
    return new TestNode(child, id, url, apiKey)
  }

  get pid(): number {
    return this.#child.pid
  }

  get logs(): string {
    return this.#child.stderr
  }

  get exited(): Child['exited'] {
    return this.#child.exited
  }

  async api(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = new Headers()
    if (body !== undefined) headers.set('content-type', 'application/json')
    if (this.#apiKey !== undefined) headers.set('authorization', `Bearer ${this.#apiKey}`)
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const response = await fetch(new URL(path, this.url), init)
    const text = await response.text()
    const json = response.headers.get('content-type')?.includes('application/json') ?? false
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text }
  }

  /** Waits until the server logs a text. */
  said(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#child.said(pattern, { on: 'stderr' })
  }

  /** Sends SIGTERM, as an orchestrator does, and resolves to how the process ended. May be called twice. */
  async stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.#child.resume()
    this.#child.signal('SIGTERM')
    return this.#child.exited
  }

  kill9(): Promise<void> {
    return this.#child.kill9()
  }

  pause(): void {
    this.#child.pause()
  }

  resume(): void {
    this.#child.resume()
  }
}

/** Starts a node: `startNode(['--dev', '--redis', url])`. Chooses a free port by default. Rejects if the node ends. */
export function startNode(args: readonly string[], options: NodeOptions = {}): Promise<TestNode> {
  return TestNode.start(args, options)
}
