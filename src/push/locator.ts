import type { Located, Lookup, Route, State } from '../drivers/state.ts'
import { FlotillaError } from '../errors.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../protocol/ids.ts'
import type { ParsedTarget } from '../protocol/target.ts'
import { Answers, type Shares } from './shares.ts'

const ASK_AGAIN_PAUSE = 50

export type LocatableTarget = Exclude<ParsedTarget, { type: 'all' }>

/** Which node a process runs as now. */
export interface NodeBook {
  nodeOf(connection: ConnectionId): NodeId | undefined
  refresh(): Promise<void>
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
 * Asks State where targets are. What is asked within one tick goes together; one lookup is under way at a time, and what
 * is asked meanwhile is gathered behind it. So answers come in the order of the questions, and a publisher's pushes keep
 * theirs; and the busier it is, the more one lookup answers.
 */
export class Locator {
  readonly #state: State
  readonly #nodes: NodeBook
  readonly #storeWait: number
  #questions: Question[] = []
  #isAsking = false

  constructor(state: State, nodes: NodeBook, storeWait: number) {
    this.#state = state
    this.#nodes = nodes
    this.#storeWait = storeWait
  }

  ask(question: Question): void {
    this.#questions.push(question)
    if (this.#isAsking) return
    this.#isAsking = true
    setImmediate(() => void this.#askAll())
  }

  async #askAll(): Promise<void> {
    while (this.#questions.length > 0) {
      const questions = this.#questions
      this.#questions = []
      try {
        this.#tell(questions, await this.#locate(questions))
      } catch (error) {
        for (const question of questions) question.failed(error)
      }
    }
    this.#isAsking = false
  }

  #tell(questions: readonly Question[], answers: Answers): void {
    const standIn = (node: NodeId): NodeId | undefined => this.#nodes.standIn(node)
    for (const question of questions) {
      const { target, ignoring } = question
      const allowed =
        ignoring === undefined ? standIn : (node: NodeId) => (node === ignoring ? undefined : standIn(node))
      question.answered(answers.share(target, allowed))
    }
  }

  async #locate(questions: readonly Question[]): Promise<Answers> {
    const { uids, groups, connections } = keysOf(questions)
    const lookup = { uids, groups, connections: await this.#withNodes(connections) }
    const deadline = performance.now() + this.#storeWait
    for (;;) {
      const located = await this.#state.locate(lookup)
      if (isConclusive(located)) return new Answers(lookup, located)
      // The store came back empty and the nodes are writing their bindings again: nobody is offline before they had time.
      if (performance.now() > deadline) throw rebuilding()
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_PAUSE))
    }
  }

  /** A connection of a process that is not known may be on a node that has just joined: ask once who is there. */
  async #withNodes(connections: readonly ConnectionId[]): Promise<Lookup['connections']> {
    if (connections.some((connection) => this.#nodes.nodeOf(connection) === undefined)) await this.#nodes.refresh()
    return connections.flatMap((connection) => {
      const node = this.#nodes.nodeOf(connection)
      return node === undefined ? [] : [{ connection, node }]
    })
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

function isConclusive({ uids, groups, connections }: Located): boolean {
  const isKnown = ({ nodes, settled }: Route): boolean => settled || nodes.length > 0
  return uids.every(isKnown) && groups.every(isKnown) && connections.every(isKnown)
}

function rebuilding(): FlotillaError {
  const message = 'the store does not know who is online: it was lost, or no node has started yet; try again'
  return new FlotillaError('FLT_STORE_AWAY', message)
}
