import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Clock } from '../clock.ts'
import type { History, StandingInbox } from '../history.ts'
import { Lookout } from './lookout.ts'
import type { Node } from './node.ts'
import type { Store } from './stores.ts'

const EVERY = 500
const POLL = 100
const EMPTY_LOOKS = 10
/** An entry younger than this many ms is only in flight; its node is not behind. */
const ON_ITS_WAY = 1_000
const SCANNED_AT_ONCE = 1_000
/** The beginning of a message of this run: see traffic/message.ts. */
const MESSAGE = /#(\d+) (?:emitter|http-n)/g

/** How many entries a stream holds, and how old the first one is by the clock of its own server. */
const MEASURE = `
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not first then return {0, 0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {redis.call('XLEN', KEYS[1]), math.max(0, now - string.match(first[1], '^%d+'))}`

interface Inbox {
  readonly key: string
  readonly master: Redis
  readonly entries: number
  /** How many ms its oldest entry has waited. */
  readonly behind: number
}

/** Reads the inboxes directly from the store: how far behind each node is, and which entries are left in the end. */
export class InboxWatch {
  readonly #store: Store
  readonly #nodes: readonly Node[]
  readonly #history: History
  readonly #clock: Clock
  readonly #lookout: Lookout

  constructor(store: Store, nodes: readonly Node[], history: History, clock: Clock) {
    this.#store = store
    this.#nodes = nodes
    this.#history = history
    this.#clock = clock
    this.#lookout = new Lookout(EVERY, () => this.#look())
  }

  stop(): void {
    this.#lookout.stop()
  }

  /**
   * Resolves to the ms until these nodes have read everything that was in their inboxes, or to undefined if that takes
   * longer than `within`.
   */
  async caughtUp(slots: readonly number[], within: number): Promise<number | undefined> {
    const { now: from } = this.#clock
    while (this.#clock.now < from + within) {
      await sleep(POLL)
      if (slots.every((slot) => this.#isCaughtUp(slot, from))) return this.#clock.now - from
    }
    return undefined
  }

  /** Resolves once all inboxes are empty, or after `patience` ms. */
  async untilEmpty(patience: number): Promise<void> {
    const deadline = this.#clock.now + patience
    // The inboxes are read one after another, so an entry may meanwhile move from the last to the first. Hence several
    // empty looks in a row are needed.
    for (let emptyLooks = 0; emptyLooks < EMPTY_LOOKS && this.#clock.now < deadline;) {
      const inboxes = await this.#read('*').catch(() => undefined)
      emptyLooks = inboxes?.every(({ entries }) => entries === 0) === true ? emptyLooks + 1 : 0
      await sleep(POLL)
    }
  }

  /** The entries that are in the inboxes now. */
  async standing(): Promise<StandingInbox[]> {
    const full = (await this.#read('*')).filter(({ entries }) => entries > 0)
    return Promise.all(
      full.map(async ({ key, master, entries, behind }) => {
        const held = await master.xrangeBuffer(key, '-', '+')
        const text = held.map(([, fields]) => Buffer.concat(fields).toString('latin1')).join(' ')
        const pushes = new Set(Array.from(text.matchAll(MESSAGE), ([, number]) => Number(number)))
        return { key, entries, behind, pushes }
      }),
    )
  }

  async #look(): Promise<void> {
    for (const { key, entries, behind } of await this.#read('in')) {
      const node = this.#nodes.find(({ id }) => id !== '' && key.includes(id))
      if (node === undefined) continue
      this.#history.inboxes.push({ at: this.#clock.now, slot: node.slot, node: node.id, entries, behind })
    }
  }

  #isCaughtUp(slot: number, from: number): boolean {
    const { id } = this.#nodes[slot]!
    const last = this.#history.inboxes.findLast((look) => look.slot === slot && look.node === id)
    return last !== undefined && last.at > from && last.behind < ON_ITS_WAY
  }

  /** `in`: the inboxes that nodes read. `*`: also the inboxes of dead nodes, which others are emptying. */
  async #read(which: 'in' | '*'): Promise<Inbox[]> {
    const masters = await this.#store.masters()
    const found = await Promise.all(masters.map((master) => inboxesOn(master, which)))
    return found.flat()
  }
}

async function inboxesOn(master: Redis, which: 'in' | '*'): Promise<Inbox[]> {
  const inboxes: Inbox[] = []
  const filter = ['MATCH', which === 'in' ? '*:in' : '*:i:*', 'TYPE', 'stream', 'COUNT', SCANNED_AT_ONCE]
  let [cursor, keys]: [string, string[]] = ['0', []]
  do {
    ;[cursor, keys] = (await master.call('SCAN', cursor, ...filter)) as [string, string[]]
    for (const key of keys.filter((each) => !each.includes('{all}') && !each.endsWith(':bad'))) {
      const [entries, behind] = (await master.eval(MEASURE, 1, key)) as [number, number]
      inboxes.push({ key, master, entries, behind })
    }
  } while (cursor !== '0')
  return inboxes
}
