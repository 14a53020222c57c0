import type { System } from '../systems/system.ts'

/** How much trouble a run takes. */
export interface Effort {
  /** Runs of each system, in turns; the median counts. */
  readonly runs: number
  /** Of one measurement. */
  readonly seconds: number
  /** A search ends when it knows the greatest rate to so much of it. */
  readonly resolution: number
}

export const thorough: Effort = { runs: 5, seconds: 5, resolution: 0.05 }
export const quick: Effort = { runs: 1, seconds: 1, resolution: 0.15 }

/** What one run measures: a number for each of the scenario's figures that the system has. */
export type Figures = Readonly<Record<string, number>>

export interface Figure {
  readonly key: string
  readonly label: string
  readonly unit: string
  /** Which of two is better. */
  readonly better: 'more' | 'less'
}

export interface Scenario {
  readonly id: string
  readonly title: string
  /** What was done, in a sentence or two. */
  readonly method: string
  readonly figures: readonly Figure[]
  readonly systems: readonly string[]
  run(system: System, effort: Effort, options: RunOptions): Promise<Figures>
}

/** Told what happens, as it happens. */
export type Note = (text: string) => void

export interface RunOptions {
  /** For Node, where the subject and the publisher run on it. */
  readonly subjectFlags?: readonly string[]
  readonly publisherFlags?: readonly string[]

  readonly note: Note
}
