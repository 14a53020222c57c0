import type { Clock } from '../clock.ts'
import type { Connection, History, Push } from '../history.ts'
import type { PlantedBug } from './plant.ts'

/** The time from which a planted bug happens: everyone is connected, and no fault has happened yet. */
const PLANT_FROM = 1_000

/** Records what clients receive. A planted bug happens here, once. */
export class Receiver {
  readonly #history: History
  readonly #clock: Clock
  #plant: PlantedBug | undefined
  #dropped: Push | undefined
  count = 0

  constructor(history: History, clock: Clock, plant: PlantedBug | undefined) {
    this.#history = history
    this.#clock = clock
    this.#plant = plant
  }

  took(connection: Connection, number: number): void {
    this.count++
    const push = this.#history.pushes[number]
    if (push === undefined) {
      this.#history.strangers.push({ at: this.#clock.now, connection: connection.number, text: `#${number}` })
      return
    }
    if (this.#plant !== undefined && this.#clock.now > PLANT_FROM) this.#takeWith(this.#plant, connection, push)
    else if (push !== this.#dropped) this.#note(connection, number)
  }

  #takeWith(plant: PlantedBug, connection: Connection, push: Push): void {
    if (!isAlike(push, push)) return this.#note(connection, push.number)
    switch (plant) {
      case 'drop':
        this.#dropped = push
        this.#plant = undefined
        return
      case 'neighbour': {
        this.#note(connection, push.number)
        const neighbour = this.#history.connections.find(
          ({ uid, ending }) => uid !== connection.uid && ending === 'open',
        )
        if (neighbour === undefined) return
        this.#note(neighbour, push.number)
        this.#plant = undefined
        return
      }
      case 'swap':
        this.#swap(connection, push)
        return
      default:
        plant satisfies never
    }
  }

  /** Records the push before the previous push of the same publisher to the same user. */
  #swap(connection: Connection, push: Push): void {
    const place = connection.received.findLastIndex((number) => isAlike(this.#history.pushes[number]!, push))
    if (place === -1) return this.#note(connection, push.number)
    connection.received.splice(place, 0, push.number)
    connection.receivedAt.splice(place, 0, connection.receivedAt[place]!)
    this.#plant = undefined
  }

  #note(connection: Connection, number: number): void {
    connection.received.push(number)
    connection.receivedAt.push(this.#clock.now)
  }
}

/** Whether both are plain pushes of the same publisher, each to a single user. */
function isAlike(one: Push, other: Push): boolean {
  return (
    [one, other].every(({ kind, uids, id }) => kind === 'uid' && uids.length === 1 && id === undefined) &&
    one.publisher === other.publisher
  )
}
