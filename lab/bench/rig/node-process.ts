import { fileURLToPath } from 'node:url'
import { BenchError } from './bench-error.ts'
import { Child } from './child.ts'
import type { Core } from './cores.ts'

const script = fileURLToPath(new URL('../nodes/node.mjs', import.meta.url))
const START_PATIENCE = 120_000

export interface NodePlan {
  readonly name: string
  readonly core: Core
  /** The file in nodes/systems. */
  readonly system: string
  readonly settings: object
  /** For Node itself. */
  readonly flags?: readonly string[] | undefined
}

/** Whom messages are for; where neither is given, for everyone. */
interface Addressees {
  /** How many users take turns. */
  readonly users?: number
  readonly group?: string
}

export interface PublishPlan extends Addressees {
  /** Messages a second. */
  readonly rate: number
  readonly seconds: number
  /** Whether each push is to be told of. */
  readonly isNoted?: boolean
}

/** One push after another, each on its own. */
export interface AlonePlan extends Addressees {
  readonly count: number
  /** ms from one's receipt to the next. */
  readonly pause: number
}

/** Connections without a client. In `path`, %d becomes the index. */
interface PhantomPlan {
  readonly count: number
  readonly path: string
}

/** What a process has asked of the store since it began, and how many of these calls ran a script. */
interface StoreCalls {
  readonly count: number
  readonly scriptCount: number
}

/** A push that resolved; times on the clock of the load client, in ns. */
export interface PushNote {
  readonly calledAt: number
  readonly settledAt: number
}

export interface Published {
  readonly sent: number
  readonly seconds: number
  readonly rejected: number
  readonly unsettled: number
  readonly error?: string
  /** In the order in which they resolved. */
  readonly notes?: readonly PushNote[]
}

/** What a process under test can be asked, and its answer. */
interface Calls {
  publish: [PublishPlan, Published]
  pushAlone: [AlonePlan, { sent: number }]
  /** Ends either of them early. */
  stopPushing: [object, object]
  collectGarbage: [object, object]
  /** Nanoseconds of each message that has arrived since the last call, once they are so many. */
  latencies: [{ count: number }, number[]]
  storeCalls: [object, StoreCalls]
  /** Its id in the cluster. */
  self: [object, string]
  evict: [{ node: string }, object]
  host: [PhantomPlan, object]
  beginStandstill: [object, object]
  /** ms that its event loop did not come round, at the longest since then. */
  longestStandstill: [object, number]
}

type Reply = { id: number; result?: unknown; error?: string } | { ports: number[] }

/** A Node process under test, or one that publishes. */
export class NodeProcess {
  readonly child: Child
  readonly #calls = new Map<number, (reply: { result?: unknown; error?: string }) => void>()
  #ports: readonly number[] = []
  #lastId = 0

  private constructor({ name, core, system, settings, flags = [] }: NodePlan) {
    const args = [...flags, script, system, JSON.stringify(settings)]
    this.child = new Child({ name, core, command: process.execPath, args, ipc: true })
  }

  static async start(plan: NodePlan): Promise<NodeProcess> {
    const node = new NodeProcess(plan)
    const ready = new Promise<void>((resolve) =>
      node.child.process.on('message', (reply: Reply) => node.#hear(reply, resolve)),
    )
    await within(START_PATIENCE, `${plan.name} did not start`, Promise.race([ready, node.child.failed()]))
    return node
  }

  /** Where it listens. */
  get ports(): readonly number[] {
    return this.#ports
  }

  async call<Name extends keyof Calls>(call: Name, plan: Calls[Name][0]): Promise<Calls[Name][1]> {
    const id = ++this.#lastId
    const replied = new Promise<{ result?: unknown; error?: string }>((resolve) => this.#calls.set(id, resolve))
    this.child.process.send({ id, call, plan })
    const { result, error } = await Promise.race([replied, this.child.failed()])
    if (error !== undefined) throw new BenchError(`${this.child.name} failed: ${error}`)
    return result as Calls[Name][1]
  }

  stop(): Promise<void> {
    return this.child.stop({ gently: true })
  }

  #hear(reply: Reply, ready: () => void): void {
    if ('ports' in reply) {
      this.#ports = reply.ports
      ready()
      return
    }
    this.#calls.get(reply.id)?.(reply)
    this.#calls.delete(reply.id)
  }
}

async function within<Value>(ms: number, what: string, value: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new BenchError(`${what} within ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([value, late])
  } finally {
    clearTimeout(timer)
  }
}
