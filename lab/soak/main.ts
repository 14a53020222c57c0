import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../rig/command.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { flawsOf, memoryTable, writeReport } from './report/report.ts'
import { Soak } from './soak.ts'

const usual = fileURLToPath(new URL('last', import.meta.url))

await runCommand({ usage, parseOptions, run: soak })

/** Resolves to whether nothing has to be fixed. */
async function soak(options: Options): Promise<boolean> {
  const { minutes, out: folder = usual } = options
  const started = await Soak.start(options)
  const findings = await started.run((now) => process.stderr.write(`${now.toFixed(1)} of ${minutes} minutes\n`))
  writeReport(findings, folder)
  process.stdout.write(
    `${memoryTable(findings)}\n\nWritten to ${relative(process.cwd(), join(folder, 'results.md'))}\n`,
  )
  const flaws = flawsOf(findings)
  for (const flaw of flaws) process.stderr.write(`${flaw}\n`)
  return flaws.length === 0
}
