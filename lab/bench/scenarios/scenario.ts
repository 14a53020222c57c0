import type { System } from '../systems/system.ts'
import type { Goal } from './goal.ts'

/** How thorough a run is. */
export interface Effort {
  /** Runs of each system, in turns. The median counts. */
  readonly runs: number
  /** The duration of one measurement. */
  readonly seconds: number
  /** A search ends when it knows the greatest rate with this relative precision. */
  readonly resolution: number
  /** How often a rate is tried before it counts as too high, because it may have failed only by a disturbance. */
  readonly attempts: number
  /** A fixed rate in messages a second, instead of a search. */
  readonly rate?: number
  /** The number of connections in scenarios that need many. */
  readonly connections: number
  /** The numbers of nodes of the clusters that are compared. */
  readonly clusterSizes: readonly number[]
  /** The same for W11, in which members of a group come and go. */
  readonly churnSizes: readonly number[]
  /** How long W15 pushes to a room. */
  readonly roomSeconds: number
  /** How many members of a group leave at once. */
  readonly departures: readonly number[]
  /** How many pushes a dead node leaves in its inbox. */
  readonly leftPushes: number
  /** How many users, each with a group, a dead node leaves in State. */
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

/** The result of one run: a number for each of the scenario's figures that the system has. */
export type Figures = Readonly<Record<string, number>>

export interface Figure {
  readonly key: string
  readonly label: string
  readonly unit: string
  /**
   * The circumstances of the measurement, such as `8 nodes`. Each has a line of its own in the table, with the same
   * columns.
   */
  readonly at?: string
}

/** A chart with one bar for each system and figure. */
export interface Chart {
  readonly title: string
  readonly unit: string
  readonly better: 'more' | 'less'
  readonly bars: readonly { readonly key: string; readonly label?: string }[]
}

/** Called with a report of what happens, as it happens. */
export type Note = (text: string) => void

export interface RunOptions {
  /** Flags for Node, if the subject and the publisher run on it. */
  readonly subjectFlags?: readonly string[]
  readonly publisherFlags?: readonly string[]
  readonly note: Note
}

export interface Scenario {
  readonly id: string
  readonly title: string
  /** Describes in a sentence or two what is done. */
  readonly method: string
  /** The ids of the systems that take part. */
  readonly systems: readonly string[]
  readonly figures: readonly Figure[]
  readonly chart: Chart
  readonly goals: readonly Goal[]
  /** @throws LabError if nothing was measured */
  run(system: System, effort: Effort, options: RunOptions): Promise<Figures>
}
