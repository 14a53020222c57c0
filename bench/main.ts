import { parseOptions, type Options, usage } from './options.ts'
import { type Outcome } from './report/outcome.ts'
import { Progress } from './report/progress.ts'
import { tableOf } from './report/table.ts'
import { BenchError } from './rig/bench-error.ts'
import { pinSelf } from './rig/cores.ts'
import { endWithParent } from './rig/life.ts'
import { provideNpmPackages } from './rig/npm-packages.ts'
import { type Program, providePrograms } from './rig/programs.ts'
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
  for (const outcome of outcomes) report(outcome)
}

function provide({ systems }: Options): void {
  const ids = new Set(systems.map(({ id }) => id))
  const programs: Program[] = ['gcc', 'redis-server']
  if (ids.has('nats')) programs.push('nats-server')
  providePrograms(programs)
  const hasPeers = systems.some(({ needsPackages }) => needsPackages)
  if (hasPeers || process.stderr.isTTY) provideNpmPackages()
}

function report(outcome: Outcome): void {
  const { id, title } = outcome.scenario
  process.stdout.write(`\n${id}: ${title}\n\n${tableOf(outcome)}\n`)
  for (const { label, failure } of outcome.rows) {
    if (failure === undefined) continue
    process.stdout.write(`\n${id} failed for ${label}: ${failure}\n`)
    process.exitCode = 1
  }
}
