import { LabError } from '../rig/lab-error.ts'
import { contestants } from './contestants.ts'
import type { Options } from './options.ts'
import { medianOf, type Outcome, type Row } from './report/outcome.ts'
import type { Progress } from './report/progress.ts'
import { Bystanders } from './rig/bystanders.ts'
import type { Figures, Scenario } from './scenarios/scenario.ts'
import type { System } from './systems/system.ts'

/** Runs one scenario after another. Within a scenario the systems take turns, so that any drift affects all of them. */
export async function runAll(options: Options, progress: Progress): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const scenario of options.scenarios) outcomes.push(await runInTurns(scenario, options, progress))
  return outcomes
}

async function runInTurns(scenario: Scenario, { systems, effort }: Options, progress: Progress): Promise<Outcome> {
  const bystanders = new Bystanders()
  const entries = contestants(scenario, systems).map((system) => new Entry(system))
  for (let run = 1; run <= effort.runs; run++) {
    for (const entry of entries) {
      progress.begin(scenario, entry.system, run)
      if (entry.failure === undefined) {
        await entry.take(() => scenario.run(entry.system, effort, { note: (text) => progress.note(text) }))
      }
      progress.done()
    }
  }
  return { scenario, rows: entries.map((entry) => entry.row), bystanders: bystanders.cores }
}

/** All runs of one system in one scenario. */
class Entry {
  readonly system: System
  readonly #runs: Figures[] = []
  failure: string | undefined

  constructor(system: System) {
    this.system = system
  }

  get row(): Row {
    const { id, label, role } = this.system
    const row = { system: id, label, role, runs: this.#runs, median: medianOf(this.#runs) }
    return this.failure === undefined ? row : { ...row, failure: this.failure }
  }

  /** A system that failed is not tried again; the others go on. */
  async take(run: () => Promise<Figures>): Promise<void> {
    try {
      this.#runs.push(await run())
    } catch (error) {
      if (!(error instanceof LabError)) throw error
      this.failure = error.message
    }
  }
}
