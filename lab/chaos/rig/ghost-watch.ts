import type { Clock } from '../clock.ts'
import type { History, NodeEvent, Sighting } from '../history.ts'
import { Lookout } from './lookout.ts'
import type { Node } from './node.ts'

const EVERY = 200
const PATIENCE = 1_000
/** How long a dead node is watched at most. */
const WATCH_FOR = 60_000
const USERS = 3

/** Asks living nodes whether they still list a dead node, or still report a user as connected there. */
export class GhostWatch {
  readonly #nodes: readonly Node[]
  readonly #history: History
  readonly #clock: Clock
  readonly #lookout: Lookout
  readonly #ghosts = new Map<string, Ghost>()
  #noted = 0

  constructor(nodes: readonly Node[], history: History, clock: Clock) {
    this.#nodes = nodes
    this.#history = history
    this.#clock = clock
    this.#lookout = new Lookout(EVERY, () => this.#look())
  }

  stop(): void {
    this.#lookout.stop()
  }

  async #look(): Promise<void> {
    this.#noteDeaths()
    const witness = this.#nodes.find(({ isUp }) => isUp)
    if (witness !== undefined && this.#ghosts.size > 0) await this.#ask(witness)
  }

  #noteDeaths(): void {
    const { nodes } = this.#history
    for (; this.#noted < nodes.length; this.#noted++) {
      const event = nodes[this.#noted]!
      if ((event.type === 'killed' || event.type === 'died') && event.node !== '') this.#addGhost(event)
    }
    for (const [node, { diedAt }] of this.#ghosts) if (this.#clock.now - diedAt > WATCH_FOR) this.#ghosts.delete(node)
  }

  #addGhost({ node, at, slot, life }: NodeEvent): void {
    const here = this.#history.connections.filter((each) => each.slot === slot && each.life === life)
    const uids = [...new Set(here.slice(-USERS).map(({ uid }) => uid))]
    this.#ghosts.set(node, { diedAt: at, uids })
  }

  async #ask(witness: Node): Promise<void> {
    const { nodes } = await get<{ nodes: { node: string }[] }>(witness, '/api/nodes')
    const listed = new Set(nodes.map(({ node }) => node))
    for (const [node, ghost] of this.#ghosts) {
      const isListed = listed.has(node)
      const isLocated = await this.#locates(witness, node, ghost.uids)
      if (isListed) this.#saw(node, witness, ghost, 'nodes')
      if (isLocated) this.#saw(node, witness, ghost, 'users')
    }
  }

  async #locates(witness: Node, node: string, uids: readonly string[]): Promise<boolean> {
    const found = await Promise.all(
      uids.map((uid) => get<{ connections: { node: string }[] }>(witness, `/api/users/${uid}`)),
    )
    return found.some(({ connections }) => connections.some((connection) => connection.node === node))
  }

  #saw(node: string, witness: Node, { diedAt }: Ghost, where: Sighting['where']): void {
    const { sightings } = this.#history
    const now = this.#clock.now
    const before = sightings.findIndex((each) => each.node === node && each.where === where)
    if (before >= 0) sightings.splice(before, 1)
    sightings.push({ node, by: witness.id, diedAt, lastSeenAt: now, where })
  }
}

interface Ghost {
  readonly diedAt: number
  readonly uids: readonly string[]
}

async function get<Body>(node: Node, path: string): Promise<Body> {
  const response = await fetch(`http://127.0.0.1:${node.port}${path}`, {
    signal: AbortSignal.timeout(PATIENCE),
  })
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}`)
  return (await response.json()) as Body
}
