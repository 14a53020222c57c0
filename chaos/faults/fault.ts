import type { FaultWindow } from '../history.ts'
import type { Random } from '../random.ts'
import type { Stage } from '../rig/stage.ts'

export type StoreKind = 'single' | 'sentinel' | 'cluster'

export const everyStore: readonly StoreKind[] = ['single', 'sentinel', 'cluster']

/** What a plan is drawn for. */
export interface Frame {
  readonly nodes: number
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
  /** Resolves once what was broken is mended: processes run and are ready, lines pass. */
  run(stage: Stage, window: FaultWindow): Promise<void>
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
