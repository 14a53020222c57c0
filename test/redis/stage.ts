import type { TestContext } from 'node:test'
import { redis, type RedisDriverOptions } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { createServer, defineModule, isFlotillaError, type Server, type ServerOptions } from '../../src/index.ts'
import { connect, type TestClient } from '../../src/testing.ts'
import { until } from '../support/until.ts'

/**
 * Times in ms. No node dies in these tests, and none may be taken for dead. After a loss of the store, nodes have a
 * heartbeat and a second to bind everybody again, which must be enough on a busy machine. The store may be away for as
 * long as a failover takes.
 */
export const TIMES = { heartbeat: 5_000, deadAfter: 60_000, storeWait: 60_000 }

const endings = new WeakMap<TestContext, (() => unknown)[]>()

/** Ends what the test has started, the last first: so a server can still say goodbye to its store. */
export function atEnd(t: TestContext, end: () => unknown): void {
  const known = endings.get(t)
  if (known !== undefined) return void known.push(end)
  const ends = [end]
  endings.set(t, ends)
  t.after(async () => {
    for (const one of ends.toReversed()) await one()
  })
}

const ws = defineModule('/ws', {
  handshake(ctx) {
    const { searchParams } = new URL(ctx.request.url)
    ctx.uid = searchParams.get('uid') ?? 'guest'
    for (const group of searchParams.getAll('group')) ctx.groups.add(group)
  },
})

export async function startServer(
  t: TestContext,
  store: RedisDriverOptions,
  options: Partial<ServerOptions> = {},
): Promise<Server> {
  const server = createServer({ modules: [ws], driver: redis(store), ...TIMES, ...options })
  atEnd(t, () => server.close({ timeout: 100 }))
  await server.listen(0)
  return server
}

export function startEmitter(t: TestContext, store: RedisDriverOptions, storeWait = TIMES.storeWait): Emitter {
  const emitter = new Emitter({ driver: redis(store), ...TIMES, storeWait })
  atEnd(t, () => emitter.close())
  return emitter
}

export async function client(t: TestContext, server: Server, query: string): Promise<TestClient> {
  const opened = await connect(`${server.url}/ws?${query}`)
  atEnd(t, () => opened.socket.terminate())
  return opened
}

interface Sent {
  readonly uid: string
  readonly text: string
  /** The outcome: `stored`, `offline`, or what went wrong. */
  readonly outcome: string
}

/** Pushes to users, some one after another and some at once, until the test stops it. */
export class Load {
  readonly #emitter: Emitter
  readonly #uids: readonly string[]
  readonly #sent: Sent[] = []
  #sequence = 0
  #stopped = false
  readonly #done: Promise<void>

  constructor(emitter: Emitter, uids: readonly string[]) {
    this.#emitter = emitter
    this.#uids = uids
    this.#done = this.#run()
  }

  get count(): number {
    return this.#sent.length
  }

  get sent(): readonly Sent[] {
    return this.#sent
  }

  /** Waits until this many more pushes were answered. */
  async more(count: number): Promise<void> {
    const goal = this.#sent.length + count
    await until(`${count} more pushes`, () => this.#sent.length >= goal, { timeout: 300_000 })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  /**
   * Checks the numbered messages: what each client lacks, what it has twice, and whether anything came out of order.
   */
  faults(clients: ReadonlyMap<string, TestClient>): { lost: string[]; doubled: string[]; disordered: string[] } {
    const faults = { lost: [] as string[], doubled: [] as string[], disordered: [] as string[] }
    for (const [uid, { received }] of clients) {
      const texts = received.map(String).filter((text) => /^\d+$/.test(text))
      const had = new Set(texts)
      faults.lost.push(
        ...this.#sent
          .filter((sent) => sent.uid === uid && sent.outcome === 'stored' && !had.has(sent.text))
          .map(nameOf),
      )
      faults.doubled.push(...texts.filter((text, index) => texts.indexOf(text) !== index))
      const numbers = [...had].map(Number)
      faults.disordered.push(...numbers.filter((number, index) => number < (numbers[index - 1] ?? -1)).map(String))
    }
    return faults
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await Promise.all(this.#uids.map((uid) => this.#push(uid)))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async #push(uid: string): Promise<void> {
    const text = String(this.#sequence++)
    const outcome = await this.#emitter.push({ uid }, text).then(
      ({ offline }) => (offline.length === 0 ? 'stored' : 'offline'),
      (error: unknown) => (isFlotillaError(error) ? `${error.code}: ${error.message}` : String(error)),
    )
    this.#sent.push({ uid, text, outcome })
  }
}

function nameOf({ uid, text }: Sent): string {
  return `${text} for ${uid}`
}
