import { createRequire } from 'node:module'
import { contestants } from '../contestants.ts'
import type { Options } from '../options.ts'
import type { Scenario } from '../scenarios/scenario.ts'
import type { System } from '../systems/system.ts'

/** The part of cli-progress that is used. It is installed only if stderr is a terminal. */
interface Bar {
  start(total: number, value: number, payload: object): void
  increment(payload?: object): void
  update(payload: object): void
  stop(): void
}

const FORMAT = '{bar} {value}/{total} · about {eta_formatted} left · {what}'

/** Shows the current run on stderr: as a bar in a terminal, otherwise as a line for each run. */
export class Progress {
  readonly #verbose: boolean
  readonly #runs: number
  readonly #bar: Bar | undefined

  constructor({ scenarios, systems, effort, verbose }: Options) {
    this.#verbose = verbose
    this.#runs = effort.runs
    const counts = scenarios.map((scenario) => contestants(scenario, systems).length * effort.runs)
    const total = counts.reduce((sum, count) => sum + count, 0)
    if (!process.stderr.isTTY || verbose) return
    this.#bar = makeBar()
    this.#bar.start(total, 0, { what: '' })
    // The bar must be stopped after an interruption, too, because it hides the terminal's cursor.
    process.once('exit', () => this.end())
  }

  begin({ id, title }: Scenario, { label }: System, run: number): void {
    const what = `${id} ${title.toLowerCase()}: ${label}, run ${run} of ${this.#runs}`
    if (this.#bar === undefined) process.stderr.write(`${what}\n`)
    else this.#bar.update({ what })
  }

  /** Prints what one measurement has found. */
  note(text: string): void {
    if (this.#verbose) process.stderr.write(`  ${text}\n`)
  }

  done(): void {
    this.#bar?.increment()
  }

  end(): void {
    this.#bar?.stop()
  }
}

function makeBar(): Bar {
  const { SingleBar, Presets } = createRequire(import.meta.url)('cli-progress') as {
    SingleBar: new (options: object, preset: object) => Bar
    Presets: { shades_classic: object }
  }
  return new SingleBar({ format: FORMAT, hideCursor: true, etaBuffer: 20 }, Presets.shades_classic)
}
