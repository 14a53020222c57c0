import type { Random } from '../../rig/random.ts'
import type { FaultWindow } from '../history.ts'
import type { Stage } from '../rig/stage.ts'
import type { StoreKind } from '../store-kind.ts'

/** What a plan is drawn for. */
export interface Frame {
  readonly nodes: number
  readonly clients: number
  readonly heartbeat: number
  readonly deadAfter: number
}

/** A kind of fault. */
export interface Fault {
  readonly name: string
  readonly stores: readonly StoreKind[]
  /** What is missing on this machine for it to happen. */
  readonly lacks?: string | undefined
  /** Draws everything that is left to chance, so that the seed alone says what will happen. */
  plan(random: Random, frame: Frame): PlannedFault
}

export interface PlannedFault {
  readonly detail: string
  /** The nodes that it touches; none where it touches the store for all. */
  readonly slots: readonly number[]
  /** It breaks nothing: whatever is promised in quiet times holds meanwhile, too. */
  readonly isHarmless?: boolean
  /** Resolves once what was broken is mended: processes run and are ready, lines pass. */
  run(stage: Stage, window: FaultWindow, people: People): Promise<void>
}

/** Whoever pushes and receives. */
export interface People {
  /** These clients go at once, in good order or without a word, and soon come back. */
  leave(clients: readonly number[], how: 'left' | 'vanished'): void
  /** Pushes to one of the groups that all are in. */
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
