import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scenarios } from '../scenarios/scenarios.ts'
import { barsOf } from './bars.ts'
import { disturbanceOf } from './disturbance.ts'
import { goalsOf } from './goals.ts'
import type { Outcome, Row } from './outcome.ts'
import { tableOf } from './table.ts'

const bench = fileURLToPath(new URL('..', import.meta.url))

/** A scenario's outcome as it is stored, with the machine that it was measured on. */
interface Record {
  readonly machine: string
  readonly runs: number
  readonly rows: readonly Row[]
  readonly bystanders: number
}

/** Stores outcomes: a page of Markdown, and the figures and chart of each scenario. */
export class Records {
  readonly page: string
  readonly #folder: string

  private constructor(page: string, folder: string) {
    this.page = page
    this.#folder = folder
    mkdirSync(folder, { recursive: true })
  }

  /** The results of complete runs, which are published. */
  static kept(): Records {
    return new Records(join(bench, 'results.md'), join(bench, 'results'))
  }

  /** The results of a run that left something out. They replace those of the last such run. */
  static passing(): Records {
    const folder = join(bench, 'last')
    rmSync(folder, { recursive: true, force: true })
    return Records.in(folder)
  }

  static in(folder: string): Records {
    return new Records(join(folder, 'results.md'), folder)
  }

  /** The records of other scenarios stay as they are. */
  save(outcomes: readonly Outcome[], machine: string, runs: number): void {
    for (const outcome of outcomes)
      this.#saveOne(outcome, { machine, runs, rows: outcome.rows, bystanders: outcome.bystanders })
    writeFileSync(this.page, this.#render())
  }

  #saveOne(outcome: Outcome, record: Record): void {
    const { id } = outcome.scenario
    writeFileSync(this.#fileOf(id, 'json'), `${JSON.stringify(record, undefined, 2)}\n`)
    writeFileSync(this.#fileOf(id, 'svg'), barsOf(outcome))
  }

  #fileOf(id: string, kind: 'json' | 'svg'): string {
    return join(this.#folder, `${id}.${kind}`)
  }

  #render(): string {
    const sections = scenarios.flatMap((scenario) => {
      const file = this.#fileOf(scenario.id, 'json')
      if (!existsSync(file)) return []
      const { machine, runs, rows, bystanders } = JSON.parse(readFileSync(file, 'utf8')) as Record
      return [this.#section({ scenario, rows, bystanders }, machine, runs)]
    })
    return `${INTRODUCTION}\n${sections.join('\n')}`
  }

  #section(outcome: Outcome, machine: string, runs: number): string {
    const { id, title, method } = outcome.scenario
    const folder = this.page === join(this.#folder, 'results.md') ? '' : 'results/'
    const parts = [
      `## ${id}: ${title}`,
      method,
      `![${title}](${folder}${id}.svg)`,
      tableOf(outcome),
      goalsOf(outcome),
      disturbanceOf(outcome),
      `${runs === 1 ? 'One run' : `Median of ${runs} runs, in turns`}. ${machine}`,
    ]
    return `${parts.filter((part) => part !== '').join('\n\n')}\n`
  }
}

const INTRODUCTION = `# Measured

Written by \`npm run bench\`; [README.md](README.md) says how it measures. Messages have 128 bytes. The node under test has
a core of its own; the store, the publisher and the clients share the other one. Figures drift from run to run and from
machine to machine, so compare only figures of the same table.
`
