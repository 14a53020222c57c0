import type { ConnectionInfo } from '../../api.ts'
import { type Group, type NodeId, partitionOf } from '../../envelope/ids.ts'
import { FlotillaError } from '../../errors.ts'
import type { RedisClient } from './connection/client.ts'
import type { RedisHandle } from './handle.ts'
import type { Keys } from './keys.ts'
import { nodesIn, readMember } from './records.ts'

/** How many names a cursor may hold: more than one step of a scan leaves over. */
const MAX_LEFT = 1_000

/** `START` is the cursor with which HSCAN begins. `DONE` says that HSCAN has ended. */
const START = '0'
const DONE = '-'

/** Where a page ended. */
interface Place {
  readonly node: string
  /** HSCAN's cursor, or `DONE`. */
  readonly at: string
  /**
   * The last name that was listed, if the node has so few members that HSCAN gives them all at once, whatever its
   * COUNT.
   */
  readonly behind: string
  /** Names that HSCAN gave but that did not fit on the page: they come first on the next one. */
  readonly left: readonly string[]
}

interface Crowd {
  readonly node: NodeId
  readonly key: string
}

/**
 * Reads a group's members page by page and node by node, at the cost of a page. No member that stays is missed, because
 * HSCAN gives every field that is there during the whole scan. It may give a field twice if others come and go.
 */
export class MemberPages {
  readonly #client: RedisClient
  readonly #keys: Keys

  constructor({ client, keys }: RedisHandle) {
    this.#client = client
    this.#keys = keys
  }

  async read(
    group: Group,
    limit: number,
    cursor?: string,
    ignored?: ReadonlySet<NodeId>,
  ): Promise<{ members: ConnectionInfo[]; memberCount: number; cursor?: string }> {
    const from = cursor === undefined ? undefined : placeOf(cursor)
    const partition = partitionOf(group)
    const listed = await this.#client.run((redis) => redis.hkeys(this.#keys.groupRoute(partition, group)))
    const crowds = nodesIn(listed)
      .filter((node) => !ignored?.has(node))
      .sort()
      .map((node) => ({ node, key: this.#keys.groupMembers(partition, group, node) }))
    const sizes = (await this.#client.batch((redis) => crowds.map(({ key }) => redis.hlen(key)))) as number[]
    const page = new Page(limit)
    const end = await this.#fill(
      page,
      crowds.filter(({ node }, index) => sizes[index]! > 0 && node >= (from?.node ?? '')),
      from,
    )
    return {
      members: page.members,
      memberCount: sizes.reduce((sum, size) => sum + size, 0),
      ...(end !== undefined && { cursor: cursorOf(end) }),
    }
  }

  async #fill(page: Page, crowds: readonly Crowd[], from: Place | undefined): Promise<Place | undefined> {
    for (const crowd of crowds) {
      const { node } = crowd
      const place = node === from?.node ? from : { node, at: START, behind: '', left: [] }
      const end = await this.#addFrom(crowd, place, page)
      if (end !== undefined) return end
    }
    return undefined
  }

  /** Adds the members on one node. If the page is full before the last of them, answers where it ended. */
  async #addFrom({ node, key }: Crowd, from: Place, page: Page): Promise<Place | undefined> {
    let place = from
    if (place.left.length > 0) {
      const names = place.left
      const values = await this.#client.run((redis) => redis.hmget(key, ...names))
      place = { ...place, left: page.add(node, zip(names, values)) }
    }
    while (place.left.length === 0) {
      if (place.at === DONE) return undefined
      if (page.room === 0) break
      const { at } = place
      const [next, flat] = await this.#client.run((redis) => redis.hscan(key, at, 'COUNT', page.room))
      const found = pairs(flat)
      if (at === START && next === START) return addInOrder(page, place, node, found)
      place = { node, at: next === START ? DONE : next, behind: '', left: page.add(node, found) }
    }
    return place
  }
}

/** Adds those after the last one that was listed, in order. So the cursor needs no list of names. */
function addInOrder(page: Page, { behind }: Place, node: NodeId, found: readonly Field[]): Place | undefined {
  const rest = found.filter(([name]) => name > behind).sort(([a], [b]) => (a < b ? -1 : 1))
  const { length } = page.add(node, rest)
  return length === 0 ? undefined : { node, at: START, behind: rest.at(-length - 1)?.[0] ?? behind, left: [] }
}

type Field = readonly [connection: string, value: string | null]

class Page {
  readonly #limit: number
  readonly #members = new Map<string, ConnectionInfo>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get room(): number {
    return this.#limit - this.#members.size
  }

  get members(): ConnectionInfo[] {
    return [...this.#members.values()]
  }

  /** Adds members until the page is full, and answers the names that did not fit. */
  add(node: NodeId, fields: readonly Field[]): string[] {
    for (const [index, [name, value]] of fields.entries()) {
      if (this.room === 0) return fields.slice(index).map(([left]) => left)
      const member = value === null ? undefined : readMember(name, node, value)
      if (member !== undefined) this.#members.set(`${name} ${node}`, member)
    }
    return []
  }
}

/** "node at left…", or "node >behind" */
function cursorOf({ node, at, behind, left }: Place): string {
  return [node, behind === '' ? at : `>${behind}`, ...left].join(' ')
}

function placeOf(cursor: string): Place {
  const [node = '', at = '', ...left] = cursor.split(' ')
  const isBehind = /^>\S+$/.test(at) && left.length === 0
  const isOurs = node !== '' && (isBehind || /^(\d{1,20}|-)$/.test(at)) && left.length <= MAX_LEFT && !left.includes('')
  if (!isOurs) {
    throw new FlotillaError('FLT_BAD_REQUEST', 'cursor does not come from an earlier page: begin without one')
  }
  return isBehind ? { node, at: START, behind: at.slice(1), left } : { node, at, behind: '', left }
}

function zip(names: readonly string[], values: readonly (string | null)[]): Field[] {
  return names.map((name, index) => [name, values[index] ?? null])
}

function pairs(flat: readonly string[]): Field[] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index]!, flat[2 * index + 1]!])
}
