import type { RedisClient } from './connection/client.ts'
import type { LogKeys } from './keys.ts'

interface Placed<Item> {
  readonly item: Item
  /** Where the item stood among all. */
  readonly position: number
}

/**
 * Groups items into as many as one script takes: all together, except in a cluster, where a script has to keep to one
 * slot. Items of one slot keep their order.
 *
 * @param weigh the share of a script's room that an item takes, besides its place in the count
 */
export function inSlots<Item extends { readonly keys: LogKeys }>(
  client: RedisClient,
  items: readonly Item[],
  most: number,
  weigh: (item: Item) => number = () => 0,
): readonly (readonly Placed<Item>[])[] {
  const isCluster = client.router !== undefined
  const chunks: Placed<Item>[][] = []
  const open = new Map<number, { chunk: Placed<Item>[]; room: number }>()
  for (const [position, item] of items.entries()) {
    const slot = isCluster ? item.keys.partition : 0
    const weight = weigh(item)
    const known = open.get(slot)
    if (known !== undefined && known.chunk.length < most && known.room >= weight) {
      known.chunk.push({ item, position })
      known.room -= weight
      continue
    }
    const chunk = [{ item, position }]
    open.set(slot, { chunk, room: 1 - weight })
    chunks.push(chunk)
  }
  return chunks
}
