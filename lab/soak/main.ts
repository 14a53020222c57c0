import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { endWithParent } from '../bench/rig/life.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { flawsOf, memoryTable, writeReport } from './report/report.ts'
import { SoakError } from './soak-error.ts'
import { Soak } from './soak.ts'

const usual = fileURLToPath(new URL('last', import.meta.url))

endWithParent()
try {
  const options = parseOptions(process.argv.slice(2))
  if (options === 'help') process.stdout.write(usage)
  else await run(options)
  process.exit()
} catch (error) {
  process.stderr.write(`${error instanceof SoakError ? error.message : String((error as Error).stack)}\n`)
  process.exit(1)
}

async function run(options: Options): Promise<void> {
  const { minutes, out: folder = usual } = options
  const soak = await Soak.start(options)
  const findings = await soak.run((now) => process.stderr.write(`${now.toFixed(1)} of ${minutes} minutes\n`))
  writeReport(findings, folder)
  process.stdout.write(
    `${memoryTable(findings)}\n\nWritten to ${relative(process.cwd(), join(folder, 'results.md'))}\n`,
  )
  const flaws = flawsOf(findings)
  for (const flaw of flaws) process.stderr.write(`${flaw}\n`)
  if (flaws.length > 0) process.exitCode = 1
}
