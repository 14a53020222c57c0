import type { Random } from '../../rig/random.ts'
import type { PushKind } from '../history.ts'
import type { Population } from './population.ts'

/** A push to be made. */
export interface Order {
  readonly kind: PushKind
  readonly uids: readonly string[]
  readonly group: string | undefined
  readonly except: readonly string[]
  readonly hasId: boolean
  readonly size: number
}

/** Draws one push after another. */
export class Orders {
  readonly #random: Random
  readonly #population: Population

  constructor(random: Random, population: Population) {
    this.#random = random
    this.#population = population
  }

  next(): Order {
    const random = this.#random
    const { uids, groups, clubs } = this.#population
    const drawn = random.next()
    if (drawn < 0.66) return this.#to('uid', [random.pick(uids)])
    if (drawn < 0.8) return this.#to('uid', random.some(uids.slice(0, 40), random.int(2, 5)))
    if (drawn < 0.94) return this.#to('group', [], random.pick(groups))
    if (drawn < 0.99) return this.#to('group', [], random.pick(clubs))
    return this.#to('all', [])
  }

  #to(kind: PushKind, uids: readonly string[], group?: string): Order {
    const random = this.#random
    return {
      kind,
      uids,
      group,
      except: kind !== 'uid' && random.chance(0.2) ? random.some(this.#population.uids, random.int(1, 3)) : [],
      hasId: random.chance(0.25),
      size: random.pick(SIZES),
    }
  }
}

/** In bytes. Most messages are short. */
const SIZES = [...Array.from({ length: 90 }, () => 80), ...Array.from({ length: 9 }, () => 1_000), 16_000]
