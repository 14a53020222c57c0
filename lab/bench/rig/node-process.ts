import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Child } from '../../rig/child.ts'
import type { Core } from '../../rig/cores.ts'
import { LabError } from '../../rig/lab-error.ts'
import { Questions } from '../../rig/questions.ts'
import { within } from '../../rig/within.ts'

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

interface Reply {
  readonly result?: unknown
  readonly error?: string
}

/** A Node process under test, or one that publishes. */
export class NodeProcess {
  readonly child: Child
  /** Where it listens. */
  readonly ports: readonly number[]
  readonly #questions: Questions<Reply>

  private constructor(child: Child, ports: readonly number[]) {
    this.child = child
    this.ports = ports
    this.#questions = new Questions(child)
  }

  static async start({ name, core, system, settings, flags = [] }: NodePlan): Promise<NodeProcess> {
    const args = [...flags, script, system, JSON.stringify(settings)]
    const child = new Child({ name, core, command: process.execPath, args, ipc: true })
    const ready = Promise.race([once(child.process, 'message'), child.failed()])
    const [{ ports }] = (await within(START_PATIENCE, `${name} did not start`, ready)) as [{ ports: number[] }]
    return new NodeProcess(child, ports)
  }

  async call<Name extends keyof Calls>(call: Name, plan: Calls[Name][0]): Promise<Calls[Name][1]> {
    const { result, error } = await this.#questions.ask({ call, plan })
    if (error !== undefined) throw new LabError(`${this.child.name} failed: ${error}`)
    return result as Calls[Name][1]
  }

  stop(): Promise<void> {
    return this.child.stop({ gently: true })
  }
}
