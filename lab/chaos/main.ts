import { rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../rig/command.ts'
import { faults } from './faults/faults.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { brokenOf, failedOf, pageOf } from './report/page.ts'
import { Progress } from './report/progress.ts'
import { resultsOf, rowOf, summaryOf, tableOf } from './report/summary.ts'
import { timelineOf } from './report/timeline.ts'
import { type Result, run } from './run.ts'

const home = fileURLToPath(new URL('.', import.meta.url))

// Code 1 means that a promise was broken.
await runCommand({ usage, parseOptions, run: chaos, failureCode: 2 })

function sayWhatIsLeftOut(): void {
  for (const { name, lacks } of faults) {
    if (lacks !== undefined) process.stderr.write(`left out: ${name}, which needs ${lacks}\n`)
  }
}

/** Resolves to whether every promise was kept in every run. */
async function chaos({ runs, out = join(home, 'last'), isWritten }: Options): Promise<boolean> {
  sayWhatIsLeftOut()
  const rows: string[][] = []
  let isKept = true
  for (const settings of runs) {
    const folder = runs.length === 1 ? out : join(out, `seed-${settings.seed}`)
    await rm(folder, { recursive: true, force: true })
    const result = await run(settings, folder, new Progress())
    await save(result, folder)
    process.stdout.write(`\n${summaryOf(result)}\n\n${relative(process.cwd(), join(folder, 'report.md'))}\n`)
    rows.push(rowOf(result))
    isKept &&= result.verdict.isKept
  }
  if (runs.length > 1) process.stdout.write(`\n${tableOf(rows)}\n`)
  if (isWritten) await writeFile(join(home, 'results.md'), resultsOf(rows))
  return isKept
}

async function save(result: Result, folder: string): Promise<void> {
  await writeFile(join(folder, 'timeline.svg'), timelineOf(result))
  await writeFile(join(folder, 'report.md'), pageOf(result))
  await writeFile(join(folder, 'broken.txt'), brokenOf(result))
  await writeFile(join(folder, 'failed.txt'), failedOf(result.history))
}
