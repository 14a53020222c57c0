import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from './child.ts'
import { freePort } from './free-port.ts'

/** A redis-server of the test's own, on 127.0.0.1. It keeps nothing on disk unless it is told to. */
export class RedisServer {
  readonly port: number
  readonly #environment: NodeJS.ProcessEnv
  #args: readonly string[]
  readonly #directory: string
  #child: Child
  #isPaused = false

  private constructor(
    port: number,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
    directory: string,
    child: Child,
  ) {
    this.port = port
    this.#environment = environment
    this.#args = args
    this.#directory = directory
    this.#child = child
  }

  static async start(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-redis-'))
    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      try {
        const child = await launch(port, args, environment, directory)
        return new RedisServer(port, args, environment, directory, child)
      } catch (error) {
        // Another process may have taken the port meanwhile.
        if (attempt === 3) throw error
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#child.pid
  }

  /** It stands still: whoever asks it something waits. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#isPaused = true
    this.#child.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#child.resume()
  }

  async kill9(): Promise<void> {
    this.#isPaused = false
    await this.#child.kill9()
  }

  /** Starts again on the same port: with what it had written to disk, or `empty`; with the settings that it had, or `args`. */
  async restart({ empty = false, args }: { empty?: boolean; args?: readonly string[] } = {}): Promise<void> {
    await this.kill9()
    this.#args = args ?? this.#args
    if (empty) await rm(join(this.#directory, 'dump.rdb'), { force: true })
    if (empty) await rm(join(this.#directory, 'appendonlydir'), { recursive: true, force: true })
    this.#child = await launch(this.port, this.#args, this.#environment, this.#directory)
  }

  /** Safe twice. */
  async stop(): Promise<void> {
    await this.kill9()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** @param environment of its process, beside this one's */
export function startRedis(
  args: readonly string[] = ['--save', '', '--appendonly', 'no'],
  environment: NodeJS.ProcessEnv = {},
): Promise<RedisServer> {
  return RedisServer.start(args, environment)
}

async function launch(
  port: number,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  directory: string,
): Promise<Child> {
  const all = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, ...args]
  const child = new Child('redis-server', all, { env: { ...process.env, ...environment } })
  await child.said(/Ready to accept connections/)
  return child
}
