import { align } from '../report/align.ts'
import { runCommand } from '../rig/command.ts'
import type { Attack } from './attacks.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { attempt, delayOf, type Findings, flawsOf } from './trial.ts'

await runCommand({ usage, parseOptions, run: attackAll })

/** Resolves to whether every promise was kept. */
async function attackAll({ attacks, seconds, bound }: Options): Promise<boolean> {
  const rows: string[][] = []
  const flaws: string[] = []
  for (const attack of attacks) {
    const findings = await attempt(attack, seconds)
    rows.push(rowOf(attack, findings))
    flaws.push(...[...flawsOf(attack, findings), ...delayOf(findings, bound)].map((flaw) => `${attack.name}: ${flaw}`))
    process.stderr.write(`${rows.length} of ${attacks.length}: ${attack.name}\n`)
  }
  process.stdout.write(`${align([['attack', 'outcomes', 'MiB more', 'p99 in calm (ms)', 'attacked (ms)'], ...rows])}\n`)
  for (const flaw of flaws) process.stderr.write(`${flaw}\n`)
  return flaws.length === 0
}

function rowOf({ name }: Attack, { outcomes, mibMore, calm, latency }: Findings): string[] {
  const counts = Object.entries(outcomes).map(([outcome, count]) => `${outcome}: ${count}`)
  return [name, counts.join(', '), ...[mibMore, calm, latency].map((value) => String(Math.round(value)))]
}
