import type { Child } from '../../rig/child.ts'
import type { Core } from '../../rig/cores.ts'
import type { Store } from '../../rig/store.ts'
import type { Greeting } from '../rig/load-client.ts'
import type { NodeProcess } from '../rig/node-process.ts'

/** How the processes of one measurement are set up. */
export interface Layout {
  /** Flags for Node, if the subject runs on it. */
  readonly subjectFlags?: readonly string[]
  readonly publisherFlags?: readonly string[]
  /** How many servers share the subject's process. Each listens on a port of its own. */
  readonly servers?: number
  /** ms between two heartbeats of a node, if it has any. */
  readonly heartbeat?: number
  /** Whether to count the calls that each node makes to the store, if there is one. */
  readonly countsCalls?: boolean
  /** Whether another node publishes. If not, only the subject pushes. */
  readonly hasPublisher?: boolean
}

/** A running system: the node under test, another node that publishes, and the store between them. */
export interface Stage {
  /** The ports of the node under test, which its clients connect to. */
  readonly subject: Child
  readonly ports: readonly number[]
  /** The node under test, if it takes requests. */
  readonly node?: NodeProcess
  readonly publisher?: NodeProcess
  readonly store?: Store
  /** Starts one more node of the same cluster. */
  addNode?(name: string, core: Core): Promise<NodeProcess>
  stop(): Promise<void>
}

export type Role = 'ours' | 'peer' | 'control'

/** A system to measure. */
export interface System {
  readonly id: string
  /** The id by which scenarios name the system. It equals `id`, except for other builds of Flotilla. */
  readonly kind: string
  /** A control is not a peer: it shows what the machine can do, or what the transport costs. */
  readonly role: Role
  /** The packages of lab/bench/package.json that it needs. */
  readonly needsPackages: boolean
  readonly label: string
  readonly greeting: Greeting
  start(layout: Layout): Promise<Stage>
}
