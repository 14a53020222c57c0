import type { Located, Lookup, Routes } from '../drivers/routes.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../envelope/ids.ts'
import type { ParsedTarget } from '../envelope/target.ts'
import { FlotillaError } from '../errors.ts'
import { Answers, type Shares } from './shares.ts'

const ASK_AGAIN_PAUSE = 50

export type LocatableTarget = Exclude<ParsedTarget, { type: 'all' }>

/** Which node a process runs as now. */
export interface NodeBook {
  nodeOf(connection: ConnectionId): NodeId | undefined
  refresh(): Promise<void>
  /** As far as is known since the last refresh. */
  isLive(node: NodeId): boolean
  /** The node to write to in a node's place: another incarnation of it, or none where it is known to be gone. */
  standIn(node: NodeId): NodeId | undefined
}

/** Somebody who wants to know where a target is. */
export interface Question {
  readonly target: LocatableTarget
  /** A node that is known not to have it. */
  readonly ignoring: NodeId | undefined
  answered(shares: Shares): void
  failed(error: unknown): void
}

/**
 * Asks State where targets are. What is asked in one go goes together; one lookup is under way at a time, and what
 * is asked meanwhile is gathered behind it. So answers come in the order of the questions, and a publisher's pushes keep
 * theirs; and the busier it is, the more one lookup answers. While the store is being rebuilt after a loss, what it says
 * of a target is not believed before the nodes had time to come back: who asks for that target waits, the others do not.
 */
export class Locator {
  readonly #state: Routes
  readonly #nodes: NodeBook
  readonly #storeWait: number
  #questions: Question[] = []
  #isAsking = false
  /** Nodes without an inbox, with who waits for them to be gone. */
  readonly #departures = new Map<NodeId, Promise<void>>()
  /** Until when those wait whose answers cannot be believed yet, by our monotonic clock. */
  readonly #deadlines = new Map<Question, number>()

  constructor(state: Routes, nodes: NodeBook, storeWait: number) {
    this.#state = state
    this.#nodes = nodes
    this.#storeWait = storeWait
  }

  ask(question: Question): void {
    this.#questions.push(question)
    if (this.#isAsking) return
    this.#isAsking = true
    queueMicrotask(() => void this.#askAll())
  }

  /**
   * Resolves once a node that has no inbox is known to be gone. One that keeps its lease has only lost the inbox, and
   * with it its place: nobody there is offline, for it is about to join again. Rejects where that takes too long.
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
      if (!this.#nodes.isLive(node)) return
      if (performance.now() > deadline) throw rebuilding()
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_PAUSE))
    }
  }

  async #askAll(): Promise<void> {
    while (this.#questions.length > 0) {
      const questions = this.#questions
      this.#questions = []
      const askedAt = performance.now()
      try {
        const held = this.#tell(questions, await this.#locate(questions), askedAt)
        if (held.length === 0) continue
        // Before those that came meanwhile, so that a target's pushes keep their order.
        this.#questions = [...held, ...this.#questions]
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_PAUSE))
      } catch (error) {
        for (const question of questions) this.#fail(question, error)
      }
    }
    this.#isAsking = false
  }

  async #locate(questions: readonly Question[]): Promise<Answers> {
    const { uids, groups, connections } = keysOf(questions)
    for (;;) {
      const lookup = { uids, groups, connections: await this.#withNodes(connections) }
      const located = await this.#state.locate(lookup)
      if (!(await this.#hasMoved(lookup, located))) {
        return new Answers(lookup, located, (node) => this.#nodes.standIn(node))
      }
    }
  }

  /** A connection that is not where its process was may be where its process is now. */
  async #hasMoved({ connections }: Lookup, located: Located): Promise<boolean> {
    if (!located.connections.some(({ nodes }) => nodes.length === 0)) return false
    await this.#nodes.refresh()
    return connections.some(({ connection, node }) => this.#nodes.nodeOf(connection) !== node)
  }

  /** Tells everyone whose answer can be believed; returns the others, who are to ask again. */
  #tell(questions: readonly Question[], answers: Answers, askedAt: number): Question[] {
    const held: Question[] = []
    const unsure = new Set<string>()
    for (const question of questions) {
      const { target, ignoring } = question
      const isSure = answers.isSure(target) && (unsure.size === 0 || !namesOf(target).some((name) => unsure.has(name)))
      if (isSure) {
        if (this.#deadlines.size > 0) this.#deadlines.delete(question)
        question.answered(answers.share(target, ignoring))
      } else if (this.#mayWait(question, askedAt)) {
        // What comes later for the same target waits with it.
        for (const name of namesOf(target)) unsure.add(name)
        held.push(question)
      } else {
        this.#fail(question, rebuilding())
      }
    }
    return held
  }

  #mayWait(question: Question, askedAt: number): boolean {
    const deadline = this.#deadlines.get(question) ?? askedAt + this.#storeWait
    this.#deadlines.set(question, deadline)
    return performance.now() < deadline
  }

  #fail(question: Question, error: unknown): void {
    this.#deadlines.delete(question)
    question.failed(error)
  }

  /** A connection of a process that is not known may be on a node that has just joined: ask once who is there. */
  async #withNodes(connections: readonly ConnectionId[]): Promise<Lookup['connections']> {
    if (connections.some((connection) => this.#nodes.nodeOf(connection) === undefined)) await this.#nodes.refresh()
    return connections.map((connection) => ({ connection, node: this.#nodes.nodeOf(connection) }))
  }
}

function keysOf(questions: readonly Question[]): { uids: Uid[]; groups: Group[]; connections: ConnectionId[] } {
  const uids = new Set<Uid>()
  const groups = new Set<Group>()
  const connections = new Set<ConnectionId>()
  for (const { target } of questions) {
    if (target.type === 'users') for (const uid of target.uids) uids.add(uid)
    else if (target.type === 'groups') for (const group of target.groups) groups.add(group)
    else for (const connection of target.connections) connections.add(connection)
  }
  return { uids: [...uids], groups: [...groups], connections: [...connections] }
}

function namesOf(target: LocatableTarget): readonly string[] {
  switch (target.type) {
    case 'users':
      return target.uids
    case 'groups':
      return target.groups
    case 'connections':
      return target.connections
    default:
      throw target satisfies never
  }
}

function rebuilding(): FlotillaError {
  const message = 'the store does not know who is online: it was lost, or no node has started yet; try again'
  return new FlotillaError('FLT_STORE_AWAY', message)
}
