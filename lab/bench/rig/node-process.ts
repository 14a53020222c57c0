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
  /** Flags for Node itself. */
  readonly flags?: readonly string[] | undefined
}

/** The target of the messages; everyone if neither is given. */
interface Addressees {
  /** How many users take turns. */
  readonly users?: number
  readonly group?: string
}

export interface PublishPlan extends Addressees {
  /** Messages a second. */
  readonly rate: number
  readonly seconds: number
  /** Whether each push is reported. */
  readonly isNoted?: boolean
}

/** Single pushes, one after another. */
export interface AlonePlan extends Addressees {
  readonly count: number
  /** ms between the receipt of one push and the next push. */
  readonly pause: number
}

/** Connections without a client. In `path`, %d is replaced by the index. */
interface PhantomPlan {
  readonly count: number
  readonly path: string
}

/** How many commands a process has sent to the store since it started, and how many of them ran a script. */
interface StoreCalls {
  readonly count: number
  readonly scriptCount: number
}

/** A push that resolved. Times are ns on the load client's clock. */
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

/** The requests that a process under test understands, with their answers. */
interface Calls {
  publish: [PublishPlan, Published]
  pushAlone: [AlonePlan, { sent: number }]
  /** Ends `publish` or `pushAlone` early. */
  stopPushing: [object, object]
  collectGarbage: [object, object]
  /** Answers with the ns of each message that has arrived since the last call, once `count` have arrived. */
  latencies: [{ count: number }, number[]]
  storeCalls: [object, StoreCalls]
  /** The node's id in the cluster. */
  self: [object, string]
  evict: [{ node: string }, object]
  host: [PhantomPlan, object]
  beginStandstill: [object, object]
  /** The longest standstill of its event loop since `beginStandstill`, in ms. */
  longestStandstill: [object, number]
}

interface Reply {
  readonly result?: unknown
  readonly error?: string
}

/** A Node process under test, or one that publishes. */
export class NodeProcess {
  readonly child: Child
  /** The ports that it listens on. */
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
