import type { Random } from '../../rig/random.ts'

/**
 * How a client behaves besides receiving.
 * - `roams`: it disconnects now and then, and connects to any node
 * - `wanders`: it joins and leaves groups
 * - `stalls`: it stops reading for seconds
 * - `floods`: it sends many messages to its node
 */
export type Habit = 'steady' | 'roams' | 'wanders' | 'stalls' | 'floods'

export interface Device {
  readonly uid: string
  /** The groups that the device is in from its handshake to its end. */
  readonly groups: readonly string[]
  readonly habit: Habit
  /** Disconnects abruptly and goes elsewhere when its node is paused. */
  readonly isImpatient: boolean
  /** A user's second device prefers a different node than the first. */
  readonly isSecond: boolean
}

/** The users, with one or two connections each, and their groups. */
export class Population {
  readonly devices: readonly Device[]
  readonly uids: readonly string[]
  /** Groups that some clients are in from their handshake on. */
  readonly groups: readonly string[]
  /** Groups that clients join and leave. */
  readonly clubs: readonly string[]
  /** Groups that all clients are in from their handshake on. */
  readonly crowds: readonly string[]

  constructor(random: Random, count: number) {
    const users = Math.ceil(count / (1 + SECOND_SHARE))
    this.uids = names('u', users)
    this.groups = names('g', Math.ceil(users / GROUP_SIZE))
    this.clubs = names('c', CLUBS)
    this.crowds = names('k', CROWDS)
    const devices: Device[] = []
    for (let index = 0; index < count; index++) {
      const isSecond = index >= users
      const uid = this.uids[index % users]!
      const groups = isSecond
        ? devices[index % users]!.groups
        : [...random.some(this.groups, random.int(1, 2)), ...this.crowds]
      const isImpatient = random.chance(IMPATIENT_SHARE)
      devices.push({ uid, groups, habit: habitOf(index, random), isImpatient, isSecond })
    }
    this.devices = devices
  }
}

/** The share of users that have a second connection. */
const SECOND_SHARE = 0.12
const GROUP_SIZE = 12
const CLUBS = 10
const CROWDS = 2
const IMPATIENT_SHARE = 0.3

function habitOf(index: number, random: Random): Habit {
  // These two habits are not drawn, so that even a run with few clients has some of them and none has too many.
  if (index % 100 === 7) return 'floods'
  if (index % 50 === 9) return 'stalls'
  const drawn = random.next()
  if (drawn < 0.2) return 'roams'
  return drawn < 0.35 ? 'wanders' : 'steady'
}

function names(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${letter}${index}`)
}
