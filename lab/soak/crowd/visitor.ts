import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../rig/random.ts'
import { stay } from '../rig/stay.ts'
import { Session } from './session.ts'
import type { Tally } from './tally.ts'

const STALL = 3_000
const IDS = 50

type Action = (session: Session) => Promise<string | undefined>

/**
 * A client: connects to any node, does random things, disconnects in one way or another, and connects again, usually to
 * another node.
 */
export class Visitor {
  readonly #uids: readonly string[]
  readonly #groups: readonly string[]
  readonly #tally: Tally
  readonly #random: Random
  readonly #actions: readonly (readonly [number, Action])[]

  constructor({ uids, groups }: { uids: readonly string[]; groups: readonly string[] }, tally: Tally, random: Random) {
    this.#uids = uids
    this.#groups = groups
    this.#tally = tally
    this.#random = random
    this.#actions = [
      [10, (session) => session.ask('push', { to: { uid: random.pick(uids) }, message: 'to a user' })],
      [5, (session) => session.ask('push', { to: { group: random.pick(groups) }, message: { to: 'a group' } })],
      [0.2, (session) => session.ask('push', { to: { all: true }, message: 'to all' })],
      [1, (session) => pushNamed(session, uids, random)],
      [3, (session) => session.ask('join', random.pick(groups))],
      [3, (session) => session.ask('leave', random.pick(groups))],
      [2, (session) => session.ask('login', random.pick(uids))],
      [1, (session) => session.ask('logout')],
      [1, (session) => session.ask('ping')],
      [0.05, stall],
    ]
  }

  /** @param urls returns the nodes that it may connect to at that moment */
  async run(urls: () => readonly string[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const url = this.#random.pick(urls())
      try {
        await this.#visit(url, signal)
      } catch (error) {
        // A guest may have left meanwhile; that is no failure.
        if (urls().includes(url)) this.#tally.failed(String(error))
      }
      await stay(this.#random.between(50, 500), signal)
    }
  }

  async #visit(url: string, signal: AbortSignal): Promise<void> {
    const session = await Session.open(this.#address(url), () => this.#tally.messages++)
    this.#tally.visits++
    const end = performance.now() + this.#random.between(1_000, 30_000)
    while (performance.now() < end && session.isOpen && !signal.aborted) {
      const failure = await this.#random.weighted(this.#actions)(session)
      this.#tally.actions++
      if (failure !== undefined) this.#tally.failed(failure)
      await stay(this.#random.between(200, 1_500), signal)
    }
    if (this.#random.chance(0.3)) session.vanish()
    else await session.close()
  }

  #address(url: string): string {
    const target = new URL('/soak', url.replace(/^http/, 'ws'))
    if (this.#random.chance(0.8)) target.searchParams.set('uid', this.#random.pick(this.#uids))
    for (let count = Math.floor(this.#random.between(0, 4)); count > 0; count--) {
      target.searchParams.append('group', this.#random.pick(this.#groups))
    }
    return target.href
  }
}

/**
 * A push with an id. The ids are few and each always belongs to the same push, because the store keeps ids for minutes.
 */
function named(uids: readonly string[], random: Random): object {
  const number = random.int(0, IDS - 1)
  return { to: { uid: uids[number % uids.length] }, message: number, options: { id: `named-${number}` } }
}

/**
 * FLT_PUSH_PENDING is no failure: another visitor is making the same push on another node, and that one completes it.
 */
async function pushNamed(session: Session, uids: readonly string[], random: Random): Promise<string | undefined> {
  const code = await session.ask('push', named(uids, random))
  return code === 'FLT_PUSH_PENDING' ? undefined : code
}

async function stall(session: Session): Promise<undefined> {
  session.stall()
  void session.ask('flood')
  await sleep(STALL)
  session.resume()
}
