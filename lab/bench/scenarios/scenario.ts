import type { System } from '../systems/system.ts'
import type { Goal } from './goal.ts'

/** How much trouble a run takes. */
export interface Effort {
  /** Runs of each system, in turns; the median counts. */
  readonly runs: number
  /** Of one measurement. */
  readonly seconds: number
  /** A search ends when it knows the greatest rate to so much of it. */
  readonly resolution: number
  /** How often a rate may fail until it counts as too high: what else happens on the machine must not decide. */
  readonly attempts: number
  /** Messages a second: where it is given, nothing is searched for. */
  readonly rate?: number
  /** Where there are to be many. */
  readonly connections: number
  /** Nodes of the clusters that are compared. */
  readonly clusterSizes: readonly number[]
  /** The same, where members of a group come and go. */
  readonly churnSizes: readonly number[]
  /** How long a room is pushed to whose members come and go. */
  readonly roomSeconds: number
  /** Members of a group who leave at once. */
  readonly departures: readonly number[]
  /** What a dead node leaves: pushes in its inbox, and users with a group each. */
  readonly leftPushes: number
  readonly leftUsers: number
}

export const thorough: Effort = {
  runs: 5,
  seconds: 3,
  resolution: 0.08,
  attempts: 2,
  connections: 15_000,
  clusterSizes: [2, 8, 32],
  churnSizes: [2, 4, 8, 16],
  roomSeconds: 60,
  departures: [1_000, 4_000, 8_000],
  leftPushes: 10_000,
  leftUsers: 100_000,
}
export const quick: Effort = {
  runs: 1,
  seconds: 1,
  resolution: 0.2,
  attempts: 1,
  connections: 5_000,
  clusterSizes: [2, 32],
  churnSizes: [2, 8],
  roomSeconds: 5,
  departures: [1_000],
  leftPushes: 1_000,
  leftUsers: 10_000,
}

/** What one run measures: a number for each of the scenario's figures that the system has. */
export type Figures = Readonly<Record<string, number>>

export interface Figure {
  readonly key: string
  readonly label: string
  readonly unit: string
  /** The circumstances it was measured in, where each has a line of its own in the table: `8 nodes`; all with the same columns. */
  readonly at?: string
}

/** Bars: one for each system and figure. */
export interface Chart {
  readonly title: string
  readonly unit: string
  readonly better: 'more' | 'less'
  readonly bars: readonly { readonly key: string; readonly label?: string }[]
}

/** Told what happens, as it happens. */
export type Note = (text: string) => void

export interface RunOptions {
  /** For Node, where the subject and the publisher run on it. */
  readonly subjectFlags?: readonly string[]
  readonly publisherFlags?: readonly string[]
  readonly note: Note
}

export interface Scenario {
  readonly id: string
  readonly title: string
  /** What is done, in a sentence or two. */
  readonly method: string
  /** Ids of those that take part. */
  readonly systems: readonly string[]
  readonly figures: readonly Figure[]
  readonly chart: Chart
  readonly goals: readonly Goal[]
  /** @throws LabError where nothing was measured */
  run(system: System, effort: Effort, options: RunOptions): Promise<Figures>
}
