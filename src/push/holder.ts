import { setTimeout as sleep } from 'node:timers/promises'
import { PARK_FOR } from '../drivers/parking.ts'
import type { PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { NodeId, Uid } from '../envelope/ids.ts'
import type { ParsedTarget } from '../envelope/target.ts'
import { FlotillaError, isFlotillaError } from '../errors.ts'
import type { Parker } from './parker.ts'

const ASK_AGAIN_PAUSE = 50

/** What became of those users of a push with `hold` whom its lookup had found nowhere. */
export interface Held {
  /** Nodes on which some of the users were by then, and which have stored the push. */
  readonly nodes: readonly NodeId[]
  /** The users who were on no node. */
  readonly offline: readonly Uid[]
  /** Those of them for whom the push is parked. There was no room for the others, or they are excepted. */
  readonly held: readonly Uid[]
}

interface HolderInit {
  readonly parker: Parker
  readonly storeWait: number
  /** Sends the push to wherever its users are now. Resolves to the nodes that store it, and who was found nowhere. */
  readonly sendLater: (push: PushEnvelope) => Promise<{ nodes: readonly NodeId[]; missed: readonly string[] }>
  /** Called for a push that found no room. */
  readonly onUndelivered: (push: PushEnvelope) => void
}

/** Keeps pushes with `hold` for those of their users who are nowhere. */
export class Holder {
  readonly #init: HolderInit

  constructor(init: HolderInit) {
    this.#init = init
  }

  /**
   * Parks a push for users whom its lookup found nowhere. Whoever has come since then is sent the first copy late. It
   * bears the stamps of that lookup, so that a connection that was handed the parked message already, because an answer
   * of the store was lost, does not get it again.
   *
   * @throws FlotillaError if the store did not take it. Nothing tells then which of the users it will reach
   */
  async hold(push: PushEnvelope, users: readonly UserRef[], keepFor: number): Promise<Held> {
    const excepted = new Set(push.except?.uids)
    const offline = users.flatMap(({ uid }) => (excepted.has(uid) ? uid : []))
    const outcome = { nodes: new Set<NodeId>(), offline, held: [] as Uid[] }
    const deadline = performance.now() + this.#init.storeWait
    let away = users.filter(({ uid }) => !excepted.has(uid))
    while (away.length > 0) {
      const found = await this.#park(push, away, keepFor, outcome)
      away = await this.#follow(push, found, outcome.nodes)
      if (away.length === 0) break
      if (performance.now() > deadline) throw notCleaned()
      // They are listed on a node that is gone, until whoever takes it over takes it out of their routes.
      await sleep(ASK_AGAIN_PAUSE)
    }
    return { ...outcome, nodes: [...outcome.nodes] }
  }

  /** Returns the users who are on a node by now. */
  async #park(
    push: PushEnvelope,
    users: readonly UserRef[],
    keepFor: number,
    { offline, held }: { offline: Uid[]; held: Uid[] },
  ): Promise<readonly UserRef[]> {
    const { parker, onUndelivered } = this.#init
    // Invariant P6: in one step with binding, so that the message is parked, or its user found.
    const answers = await parker.park(push, users, { keepFor })
    let isFull = false
    for (const [at, { uid }] of users.entries()) {
      if (answers[at] === 'found') continue
      offline.push(uid)
      if (answers[at] === 'parked') held.push(uid)
      else isFull = true
    }
    if (isFull) onUndelivered(push)
    return users.filter((_, at) => answers[at] === 'found')
  }

  /** Returns the users who were found nowhere after all. */
  async #follow(push: PushEnvelope, users: readonly UserRef[], nodes: Set<NodeId>): Promise<UserRef[]> {
    if (users.length === 0) return []
    const sent = await this.#init.sendLater({ ...push, to: { type: 'users', users } })
    for (const node of sent.nodes) nodes.add(node)
    const missed = new Set(sent.missed)
    return users.filter(({ uid }) => missed.has(uid))
  }
}

/**
 * @throws FlotillaError `FLT_BAD_TARGET` if the target has no users, `FLT_BAD_REQUEST` if the time is out of range
 */
export function parseHold(hold: unknown, target: ParsedTarget): number {
  if (target.type !== 'users')
    throw new FlotillaError('FLT_BAD_TARGET', 'hold is for pushes to users: give uid, or leave hold out')
  if (typeof hold === 'number' && Number.isInteger(hold) && hold >= 1 && hold <= PARK_FOR) return hold
  throw new FlotillaError('FLT_BAD_REQUEST', `hold takes whole milliseconds from 1 to ${PARK_FOR}`)
}

/**
 * The failure of a push that could not be held. It names no nodes that have stored the push: a user who comes to one of
 * them before the push is sent again must not be left out.
 */
export function notHeld(cause: unknown): FlotillaError {
  const isOurs = isFlotillaError(cause)
  const why = isOurs ? cause.message : 'the store did not answer'
  const message = `the push could not be held for users who are offline: ${why}; try again with the same id`
  return new FlotillaError(isOurs ? cause.code : 'FLT_STORE_AWAY', message, { cause })
}

function notCleaned(): FlotillaError {
  return new FlotillaError('FLT_STORE_AWAY', 'the store still lists some of them on a node that is gone')
}
