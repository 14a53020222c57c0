import { relative } from 'node:path'
import { type Options, parseOptions, usage } from './options.ts'
import { provide } from './provision.ts'
import { disturbanceOf } from './report/disturbance.ts'
import { goalsOf } from './report/goals.ts'
import { machineLine } from './report/machine.ts'
import type { Outcome } from './report/outcome.ts'
import { Progress } from './report/progress.ts'
import { Records } from './report/records.ts'
import { tableOf } from './report/table.ts'
import { BenchError } from './rig/bench-error.ts'
import { pinSelf } from './rig/cores.ts'
import { endWithParent } from './rig/life.ts'
import { runAll } from './turns.ts'

endWithParent()
try {
  const options = parseOptions(process.argv.slice(2))
  if (options === 'help') process.stdout.write(usage)
  else await bench(options)
  process.exit()
} catch (error) {
  process.stderr.write(`${error instanceof BenchError ? error.message : String((error as Error).stack)}\n`)
  process.exit(1)
}

async function bench(options: Options): Promise<void> {
  provide(options)
  pinSelf()
  const progress = new Progress(options)
  const outcomes = await runAll(options, progress)
  progress.end()
  const machine = machineLine()
  for (const outcome of outcomes) report(outcome)
  const records = recordsFor(options)
  records.save(outcomes, machine, options.effort.runs)
  process.stdout.write(`\n${machine}\nWritten to ${relative(process.cwd(), records.page)}, with charts.\n`)
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
    process.exitCode = 1
  }
}
