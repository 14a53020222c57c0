import type { Child } from '../../rig/child.ts'
import type { Core } from '../../rig/cores.ts'
import type { Store } from '../../rig/store.ts'
import type { Greeting } from '../rig/load-client.ts'
import type { NodeProcess } from '../rig/node-process.ts'

/** How the processes of one measurement are laid out. */
export interface Layout {
  /** Flags for Node, where the subject runs on it. */
  readonly subjectFlags?: readonly string[]
  readonly publisherFlags?: readonly string[]
  /** How many servers share the subject's process: each listens on a port of its own. */
  readonly servers?: number
  /** ms between two of a node's heartbeats, where it has them. */
  readonly heartbeat?: number
  /** Whether what each node asks of the store is counted, where it has one. */
  readonly countsCalls?: boolean
  /** Without it, nobody but the subject pushes. */
  readonly hasPublisher?: boolean
}

/** A system that runs: the node under test, another one that publishes, and the store between them. */
export interface Stage {
  /** The node under test; its clients connect to these ports. */
  readonly subject: Child
  readonly ports: readonly number[]
  /** The same node, where it can be asked to do something. */
  readonly node?: NodeProcess
  readonly publisher?: NodeProcess
  readonly store?: Store
  /** Starts one more node of the same cluster. */
  addNode?(name: string, core: Core): Promise<NodeProcess>
  stop(): Promise<void>
}

export type Role = 'ours' | 'peer' | 'control'

/** Something to measure. */
export interface System {
  readonly id: string
  /** What scenarios know it by: the id, but for other builds of Flotilla. */
  readonly kind: string
  /** A control is no peer: it shows what the machine can do, or what the way costs. */
  readonly role: Role
  /** Those of lab/bench/package.json. */
  readonly needsPackages: boolean
  readonly label: string
  readonly greeting: Greeting
  start(layout: Layout): Promise<Stage>
}
