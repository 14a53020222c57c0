import { relative } from 'node:path'
import { machineLine } from '../report/machine.ts'
import { runCommand } from '../rig/command.ts'
import { pinSelf } from '../rig/cores.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { provide } from './provision.ts'
import { disturbanceOf } from './report/disturbance.ts'
import { goalsOf } from './report/goals.ts'
import type { Outcome } from './report/outcome.ts'
import { peers } from './report/peers.ts'
import { Progress } from './report/progress.ts'
import { Records } from './report/records.ts'
import { tableOf } from './report/table.ts'
import { runAll } from './turns.ts'

await runCommand({ usage, parseOptions, run: bench })

/** Resolves to whether every system could be measured. */
async function bench(options: Options): Promise<boolean> {
  provide(options)
  pinSelf()
  const progress = new Progress(options)
  const outcomes = await runAll(options, progress)
  progress.end()
  const machine = machineLine(peers())
  for (const outcome of outcomes) report(outcome)
  const records = recordsFor(options)
  records.save(outcomes, machine, options.effort.runs)
  process.stdout.write(`\n${machine}\nWritten to ${relative(process.cwd(), records.page)}, with charts.\n`)
  return outcomes.every(({ rows }) => rows.every(({ failure }) => failure === undefined))
}

function recordsFor({ out, isComplete }: Options): Records {
  if (out !== undefined) return Records.in(out)
  return isComplete ? Records.kept() : Records.passing()
}

function report(outcome: Outcome): void {
  const { id, title } = outcome.scenario
  const parts = [`${id}: ${title}`, tableOf(outcome), goalsOf(outcome), disturbanceOf(outcome)].filter(
    (part) => part !== '',
  )
  process.stdout.write(`\n${parts.join('\n\n')}\n`)
  for (const { label, failure } of outcome.rows) {
    if (failure === undefined) continue
    process.stderr.write(`\n${id} failed for ${label}: ${failure}\n`)
  }
}
