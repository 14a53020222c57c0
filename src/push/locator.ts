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

interface Question {
  readonly target: LocatableTarget
  readonly ignoring: NodeId | undefined
  readonly answer: (shares: Shares) => void
  readonly fail: (error: unknown) => void
}

/**
 * Asks State where targets are: once for everything that is asked within one tick. Answers are given in the order of
 * the questions, also where a later lookup comes back sooner, so that a publisher's pushes keep their order.
 */
export class Locator {
  readonly #state: State
  readonly #nodes: NodeBook
  readonly #storeWait: number
  #questions: Question[] = []
  #lastTick: Promise<void> = Promise.resolve()

  constructor(state: State, nodes: NodeBook, storeWait: number) {
    this.#state = state
    this.#nodes = nodes
    this.#storeWait = storeWait
  }

  ask(
    target: LocatableTarget,
    ignoring: NodeId | undefined,
    answer: (shares: Shares) => void,
    fail: (error: unknown) => void,
  ): void {
    if (this.#questions.push({ target, ignoring, answer, fail }) === 1) setImmediate(() => this.#askAll())
  }

  #askAll(): void {
    const questions = this.#questions
    this.#questions = []
    const asked = this.#locate(questions)
    // Awaited by the tick below, whenever its turn comes: until then a failure is not unhandled.
    asked.catch(() => {})
    this.#lastTick = this.#lastTick.then(() => this.#answerAll(questions, asked))
  }

  async #answerAll(questions: readonly Question[], asked: Promise<Answers>): Promise<void> {
    let answers: Answers
    try {
      answers = await asked
    } catch (error) {
      for (const { fail } of questions) fail(error)
      return
    }
    for (const { target, ignoring, answer } of questions) {
      answer(answers.share(target, (node) => (node === ignoring ? undefined : this.#nodes.standIn(node))))
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
  return new FlotillaError(
    'FLT_STORE_AWAY',
    'the store does not know who is online: it was lost, or no node has started yet; try again',
  )
}
