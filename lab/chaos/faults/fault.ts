import type { Random } from '../../rig/random.ts'
import type { FaultWindow } from '../history.ts'
import type { Stage } from '../rig/stage.ts'
import type { StoreKind } from '../store-kind.ts'

/** The size of the run that a fault is planned for. */
export interface Frame {
  readonly nodes: number
  readonly clients: number
  readonly heartbeat: number
  readonly deadAfter: number
}

/** One kind of fault. */
export interface Fault {
  readonly name: string
  readonly stores: readonly StoreKind[]
  /** The program that this machine lacks, if the fault needs one. */
  readonly lacks?: string | undefined
  /** Draws everything that is left to chance, so that the seed alone decides what will happen. */
  plan(random: Random, frame: Frame): PlannedFault
}

export interface PlannedFault {
  readonly detail: string
  /** The nodes that the fault affects; empty if it affects the store for all of them. */
  readonly slots: readonly number[]
  /** The fault breaks nothing, so everything that is promised without faults holds during it, too. */
  readonly isHarmless?: boolean
  /** Resolves once the damage is repaired: processes are running and ready, lines let everything pass. */
  run(stage: Stage, window: FaultWindow, people: People): Promise<void>
}

/** Those who push and receive. */
export interface People {
  /** These clients disconnect at once, with or without a closing handshake, and reconnect soon. */
  leave(clients: readonly number[], how: 'left' | 'vanished'): void
  /** Pushes to one of the groups that all clients are in. */
  pushToCrowd(which: number): void
}

export function slotsOf({ nodes }: Frame): number[] {
  return Array.from({ length: nodes }, (_, slot) => slot)
}

export function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

export function nodeNames(slots: readonly number[]): string {
  return slots.map((slot) => `n${slot}`).join(', ')
}
