import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from './child.ts'
import { freePort } from './free-port.ts'

/** A redis-server that belongs to one test, on 127.0.0.1. It writes nothing to disk unless told to. */
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
        // Another process may have taken the port in the meantime.
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

  /** Makes the server stand still. Clients wait for its answers. */
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

  /** Restarts on the same port: with the data on its disk or `empty`, and with its former settings or `args`. */
  async restart({ empty = false, args }: { empty?: boolean; args?: readonly string[] } = {}): Promise<void> {
    await this.kill9()
    this.#args = args ?? this.#args
    if (empty) await rm(join(this.#directory, 'dump.rdb'), { force: true })
    if (empty) await rm(join(this.#directory, 'appendonlydir'), { recursive: true, force: true })
    this.#child = await launch(this.port, this.#args, this.#environment, this.#directory)
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    await this.kill9()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** @param environment variables of its process, in addition to this process's */
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
