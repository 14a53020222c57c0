import { setTimeout as sleep } from 'node:timers/promises'
import type { Located, Lookup, Routes } from '../drivers/routes.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../envelope/ids.ts'
import { FlotillaError } from '../errors.ts'
import type { Job } from './job.ts'
import { LookupAnswers } from './lookup-answers.ts'
import { namesOf } from './targets.ts'

const ASK_AGAIN_PAUSE = 50

/** Which node a process runs as now. */
export interface NodeBook {
  nodeOf(connection: ConnectionId): NodeId | undefined
  refresh(): Promise<void>
  /** Whether the node was live at the last refresh. */
  isLive(node: NodeId): boolean
  /** The node to write to in place of another: a later incarnation of it, or none if it is known to be gone. */
  standIn(node: NodeId): NodeId | undefined
}

/**
 * Asks State where the targets of jobs are. One lookup is under way at a time and answers all jobs that have asked by then;
 * jobs that ask meanwhile share the next one. So jobs are answered in the order in which they asked, and the busier a
 * publisher is, the more jobs one lookup answers. While the store is being rebuilt after a loss, "nowhere" is not believed
 * until the nodes had time to come back: jobs with such an answer wait, the others do not.
 */
export class Locator {
  readonly #state: Routes
  readonly #nodes: NodeBook
  readonly #storeWait: number
  #asking: Job[] = []
  #isAsking = false
  /** Nodes without an inbox that are not known to be gone yet. */
  readonly #departures = new Map<NodeId, Promise<void>>()
  /** Deadlines, by the monotonic clock, of the jobs whose answers cannot be believed yet. */
  readonly #deadlines = new Map<Job, number>()

  constructor(state: Routes, nodes: NodeBook, storeWait: number) {
    this.#state = state
    this.#nodes = nodes
    this.#storeWait = storeWait
  }

  ask(job: Job): void {
    this.#asking.push(job)
    // Invariant D1: one lookup at a time, so that answers keep the order of the questions.
    if (this.#isAsking) return
    this.#isAsking = true
    queueMicrotask(() => void this.#askAll())
  }

  /**
   * Resolves once a node without an inbox is known to be gone. If the node keeps its lease, it has only lost its inbox and
   * is about to join again, so its users are not offline. Rejects if that takes too long.
   */
  departure(node: NodeId): Promise<void> {
    const known = this.#departures.get(node)
    if (known !== undefined) return known
    const departure = this.#departs(node).finally(() => this.#departures.delete(node))
    this.#departures.set(node, departure)
    return departure
  }

  async #departs(node: NodeId): Promise<void> {
    const deadline = performance.now() + this.#storeWait
    for (;;) {
      await this.#nodes.refresh()
      // Invariant B3: a node that keeps its lease has only lost its inbox, and nobody there is offline.
      if (!this.#nodes.isLive(node)) return
      if (performance.now() > deadline) throw rebuilding()
      await sleep(ASK_AGAIN_PAUSE)
    }
  }

  async #askAll(): Promise<void> {
    while (this.#asking.length > 0) {
      const jobs = this.#asking
      this.#asking = []
      const askedAt = performance.now()
      try {
        const held = this.#tell(jobs, await this.#locate(jobs), askedAt)
        if (held.length === 0) continue
        // These jobs go before those that came meanwhile, so that pushes to one target keep their order.
        this.#asking = [...held, ...this.#asking]
        await sleep(ASK_AGAIN_PAUSE)
      } catch (error) {
        for (const job of jobs) this.#fail(job, error)
      }
    }
    this.#isAsking = false
  }

  async #locate(jobs: readonly Job[]): Promise<LookupAnswers> {
    const { uids, groups, connections } = askedBy(jobs)
    for (;;) {
      const lookup = { uids, groups, connections: await this.#withNodes(connections) }
      const located = await this.#state.locate(lookup)
      if (!(await this.#hasMoved(lookup, located))) {
        return new LookupAnswers(lookup, located, (node) => this.#nodes.standIn(node))
      }
    }
  }

  /** A connection that was not found may be on the node that its process runs as by now. */
  async #hasMoved({ connections }: Lookup, located: Located): Promise<boolean> {
    if (!located.connections.some(({ nodes }) => nodes.length === 0)) return false
    await this.#nodes.refresh()
    return connections.some(({ connection, node }) => this.#nodes.nodeOf(connection) !== node)
  }

  /** Passes their answers to the jobs if these can be believed. Returns the other jobs, which must ask again. */
  #tell(jobs: readonly Job[], answers: LookupAnswers, askedAt: number): Job[] {
    const held: Job[] = []
    const unsure = new Set<string>()
    for (const job of jobs) {
      const { target, ignoring, hold } = job.dispatch
      // Invariant R13: an empty answer from a part that is being written again does not mean offline.
      const isSure = answers.isSure(target) && (unsure.size === 0 || !namesOf(target).some((name) => unsure.has(name)))
      if (isSure) {
        if (this.#deadlines.size > 0) this.#deadlines.delete(job)
        const split = answers.split(target, ignoring)
        job.located(hold === undefined ? split : answers.withAway(split))
      } else if (this.#mayWait(job, askedAt)) {
        // Later jobs for the same target wait with this one.
        for (const name of namesOf(target)) unsure.add(name)
        held.push(job)
      } else {
        this.#fail(job, rebuilding())
      }
    }
    return held
  }

  #mayWait(job: Job, askedAt: number): boolean {
    const deadline = this.#deadlines.get(job) ?? askedAt + this.#storeWait
    this.#deadlines.set(job, deadline)
    return performance.now() < deadline
  }

  #fail(job: Job, error: unknown): void {
    this.#deadlines.delete(job)
    job.failed(error)
  }

  /** A connection of an unknown process may be on a node that has just joined, so the node list is asked for once. */
  async #withNodes(connections: readonly ConnectionId[]): Promise<Lookup['connections']> {
    if (connections.some((connection) => this.#nodes.nodeOf(connection) === undefined)) await this.#nodes.refresh()
    return connections.map((connection) => ({ connection, node: this.#nodes.nodeOf(connection) }))
  }
}

function askedBy(jobs: readonly Job[]): { uids: Uid[]; groups: Group[]; connections: ConnectionId[] } {
  const uids = new Set<Uid>()
  const groups = new Set<Group>()
  const connections = new Set<ConnectionId>()
  for (const job of jobs) {
    const { target } = job.dispatch
    if (target.type === 'users') for (const uid of target.uids) uids.add(uid)
    else if (target.type === 'groups') for (const group of target.groups) groups.add(group)
    else for (const connection of target.connections) connections.add(connection)
  }
  return { uids: [...uids], groups: [...groups], connections: [...connections] }
}

function rebuilding(): FlotillaError {
  const message = 'the store does not know who is online: it was lost, or no node has started yet; try again'
  return new FlotillaError('FLT_STORE_AWAY', message)
}
