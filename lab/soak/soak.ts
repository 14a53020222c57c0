import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { comesTrue } from '../../test/support/until.ts'
import { Random } from '../rig/random.ts'
import { Store } from '../rig/store.ts'
import { Tally } from './crowd/tally.ts'
import { Visitor } from './crowd/visitor.ts'
import type { Options } from './options.ts'
import { MIB, type Series } from './report/trend.ts'
import { Guest } from './rig/guest.ts'
import { Keyspace } from './rig/keyspace.ts'
import { DEAD_AFTER, type Residents, SoakNode } from './rig/soak-node.ts'
import { stay } from './rig/stay.ts'

/**
 * How much the heap may rise. With 200 clients for ten minutes, a leak of 200 bytes a visit, or of 12 bytes an action,
 * exceeds it.
 */
const HEAP_BOUND = MIB
/**
 * How much resident memory may rise: the kernel hands out whole pages, V8 a quarter of a MiB at a time, and both are
 * slow to give memory back.
 */
const SIZE_BOUND = 4 * MIB
const FIRST_BEATS = 3_000
const CLEANED_UP = 60_000
const POLL = 250
/** How long broadcasts are held for a node that fell silent: see docs/guarantees.md. */
const HELD_FOR = 60_000
/** Keys that stay in the store after the last node has closed, as README.md says. */
const DOCUMENTED = [/:\{p\d+\}:e$/, /:\{m\}:(v|log|gone)$/, /:\{all\}:m$/]

/** The outcome of a soak. */
export interface Findings {
  readonly options: Options
  readonly heaps: readonly Series[]
  readonly sizes: readonly Series[]
  readonly keys: Series
  readonly connections: Series
  readonly tally: Tally
  readonly guestCount: number
  /** The counts that the nodes reported at the end. */
  readonly residents: readonly Residents[]
  /** Whatever the nodes still listed after every client had left. */
  readonly left: readonly string[]
  /** How many keys there were before the first client connected. */
  readonly baseline: number
  readonly afterCrowd: readonly string[]
  readonly unread: readonly string[]
  readonly afterNodes: readonly string[]
  /** Keys that stayed after the last node had closed, as documented. */
  readonly documented: readonly string[]
}

/** One measurement of all nodes and of the store. */
interface Look {
  readonly minutes: number
  readonly heaps: readonly number[]
  readonly sizes: readonly number[]
  readonly keys: number
  readonly connections: number
}

/** Lets many clients come and go for a while. Then all of them leave, and everything that is still there is counted. */
export class Soak {
  readonly #options: Options
  readonly #store: Store
  readonly #keyspace: Keyspace
  readonly #nodes: readonly SoakNode[]
  readonly #guests: readonly Guest[]
  readonly #tally = new Tally()
  readonly #random = new Random(Math.random())
  readonly #looks: Look[] = []

  private constructor(options: Options, store: Store, nodes: readonly SoakNode[]) {
    this.#options = options
    this.#store = store
    this.#keyspace = new Keyspace(store)
    this.#nodes = nodes
    this.#guests = Array.from({ length: options.guests }, (_, index) => new Guest(`guest${index + 1}-`, store))
  }

  static async start(options: Options): Promise<Soak> {
    const store = await Store.start()
    const names = Array.from({ length: options.nodes }, (_, index) => `node${index + 1}`)
    return new Soak(options, store, await Promise.all(names.map((name) => SoakNode.start(name, store))))
  }

  /** @param onLook called after each measurement with the minutes that have passed */
  async run(onLook: (minutes: number) => void): Promise<Findings> {
    // The first broadcast creates the stream that all nodes read. That stream stays, even when it is empty.
    await this.#nodes[0]!.broadcast('hello')
    await sleep(FIRST_BEATS)
    const before = await this.#keyspace.lasting()
    await this.#live(onLook)
    const left = await this.#leftovers()
    const afterCrowd = await this.#beyond(new Set(before))
    const unread = await this.#unread()
    const residents = await Promise.all(this.#nodes.map((node) => node.residents()))
    await Promise.all(this.#nodes.map((node) => node.stop()))
    const stayed = await this.#keyspace.lasting()
    this.#keyspace.close()
    await this.#store.stop()
    return {
      options: this.#options,
      ...this.#series(),
      tally: this.#tally,
      guestCount: this.#guests.reduce((sum, { count }) => sum + count, 0),
      residents,
      left,
      baseline: before.length,
      afterCrowd,
      unread,
      afterNodes: stayed.filter((key) => !isDocumented(key)),
      documented: summaryOf(stayed.filter(isDocumented)),
    }
  }

  async #live(onLook: (minutes: number) => void): Promise<void> {
    const { minutes, clients } = this.#options
    const over = new AbortController()
    const { signal } = over
    setMaxListeners(0, signal)
    const ids = (name: string, count: number): string[] =>
      Array.from({ length: count }, (_, index) => `${name}${index}`)
    const names = { uids: ids('u', Math.ceil(clients / 2)), groups: ids('g', Math.ceil(clients / 10)) }
    const visitors = Array.from(
      { length: clients },
      (_, index) => new Visitor(names, this.#tally, this.#random.fork(`visitor ${index}`)),
    )
    const urls = (): string[] => [
      ...this.#nodes.map(({ url }) => url),
      ...this.#guests.flatMap(({ url }) => (url === undefined ? [] : [url])),
    ]
    const everyone = Promise.all([
      ...visitors.map((visitor) => visitor.run(urls, signal)),
      ...this.#guests.map((guest) => guest.run(signal)),
    ])
    const end = setTimeout(() => over.abort(), minutes * 60_000)
    // If a client fails, the measuring has to end, too.
    await Promise.race([everyone, this.#lookOn(signal, onLook)]).finally(() => {
      clearTimeout(end)
      over.abort()
    })
    await everyone
  }

  async #lookOn(signal: AbortSignal, onLook: (minutes: number) => void): Promise<void> {
    const startedAt = performance.now()
    while (!signal.aborted) {
      await stay(this.#options.every * 1_000, signal)
      const minutes = (performance.now() - startedAt) / 60_000
      const memories = await Promise.all(this.#nodes.map((node) => node.measure()))
      const residents = await Promise.all(this.#nodes.map((node) => node.residents()))
      this.#looks.push({
        minutes,
        heaps: memories.map(({ heap }) => heap),
        sizes: memories.map(({ rss }) => rss),
        keys: await this.#keyspace.count(),
        connections: residents.reduce((sum, { connectionCount }) => sum + connectionCount, 0),
      })
      onLook(minutes)
    }
  }

  /** Whatever the nodes still list after every client has left and they had time to notice. */
  async #leftovers(): Promise<string[]> {
    let found: string[] = []
    await comesTrue(
      async () => {
        found = (await Promise.all(this.#nodes.map(leftoversOf))).flat()
        return found.length === 0
      },
      CLEANED_UP,
      POLL,
    )
    return found
  }

  /** Keys that were not there before the clients, once the nodes have cleaned up after a killed guest. */
  async #beyond(before: ReadonlySet<string>): Promise<string[]> {
    let extra: string[] = []
    await comesTrue(
      async () => {
        extra = (await this.#keyspace.lasting()).filter((key) => !before.has(key) && !isDocumented(key))
        return extra.length === 0
      },
      DEAD_AFTER + CLEANED_UP,
      POLL,
    )
    return extra
  }

  /**
   * Streams with entries, once the hold for a killed guest has expired. Until then a node holds entries, because the
   * guest might only have been paused.
   */
  async #unread(): Promise<readonly string[]> {
    let unread: readonly string[] = []
    await comesTrue(
      async () => {
        unread = await this.#keyspace.unread()
        return unread.length === 0
      },
      HELD_FOR + CLEANED_UP,
      POLL,
    )
    return unread
  }

  #series(): Pick<Findings, 'heaps' | 'sizes' | 'keys' | 'connections'> {
    const seriesOf = (name: string, bound: number, valueOf: (look: Look) => number): Series => ({
      name,
      bound,
      samples: this.#looks.map((look) => ({ minutes: look.minutes, value: valueOf(look) })),
    })
    return {
      heaps: this.#nodes.map(({ name }, index) => seriesOf(name, HEAP_BOUND, ({ heaps }) => heaps[index]!)),
      sizes: this.#nodes.map(({ name }, index) => seriesOf(name, SIZE_BOUND, ({ sizes }) => sizes[index]!)),
      keys: seriesOf('keys', 0, ({ keys }) => keys),
      connections: seriesOf('connections', 0, ({ connections }) => connections),
    }
  }
}

async function leftoversOf(node: SoakNode): Promise<string[]> {
  const { connectionCount, userCount, groupCount } = await node.residents()
  const counts = { connections: connectionCount, users: userCount, groups: groupCount }
  return Object.entries(counts).flatMap(([what, count]) =>
    count === 0 ? [] : [`${node.name} still lists ${count} ${what}`],
  )
}

function isDocumented(key: string): boolean {
  return DOCUMENTED.some((pattern) => pattern.test(key))
}

/** Lists each kind of key once: the keys of all partitions count as one kind. */
function summaryOf(keys: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const key of keys) {
    const kind = key.replace(/\{p\d+\}/, '{pN}')
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return Array.from(counts, ([kind, count]) => (count === 1 ? `\`${kind}\`` : `${count} × \`${kind}\``))
}
