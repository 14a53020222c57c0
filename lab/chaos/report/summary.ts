import { align } from '../../report/align.ts'
import { machineLine } from '../../report/machine.ts'
import type { Finding } from '../checker/verdict.ts'
import type { Result } from '../run.ts'

const SHOWN = 3

/** The result of a run, in a few lines for a terminal. */
export function summaryOf({ settings, verdict, history }: Result): string {
  const { seed, nodes, store, seconds } = settings
  const head = `seed ${seed}: ${verdict.isKept ? 'every promise was kept' : 'PROMISES WERE BROKEN'} (${nodes} nodes, store ${store}, ${seconds} s, ${history.faults.length} faults)`
  return [head, ...verdict.findings.map(lineOf)].join('\n')
}

function lineOf({ promise, checked, violations, exempt, notes }: Finding): string {
  const exempted = [...exempt.values()].reduce((sum, count) => sum + count, 0)
  const broken = violations.length === 0 ? 'kept' : `BROKEN ${violations.length} times`
  const first = violations.slice(0, SHOWN).map(({ at, what, push }) => {
    return `\n    ${(at / 1_000).toFixed(3)} s ${push === undefined ? '' : `#${push}: `}${what}`
  })
  const said = notes.length === 0 ? '' : `; ${notes.join('; ')}`
  return `  ${promise.padEnd(13)} ${broken}; ${checked}, ${exempted} exempt${said}${first.join('')}`
}

/** The same result as a row of `tableOf`. */
export function rowOf({ settings, verdict, history }: Result): string[] {
  const broken = verdict.findings.filter(({ violations }) => violations.length > 0)
  const failed = history.pushes.filter(({ outcome }) => outcome !== 'resolved').length
  const received = history.connections.reduce((sum, each) => sum + each.received.length, 0)
  return [
    String(settings.seed),
    String(settings.nodes),
    settings.store,
    history.faults.map(({ name }) => name).join(', '),
    history.pushes.length.toLocaleString('en'),
    received.toLocaleString('en'),
    broken.length === 0
      ? 'none'
      : broken.map(({ promise, violations }) => `${promise} ${violations.length}`).join(', '),
    failed.toLocaleString('en'),
  ]
}

const HEAD = ['seed', 'nodes', 'store', 'faults', 'pushes', 'received', 'broken', 'failed pushes']

/** One row for each run. */
export function tableOf(rows: readonly string[][]): string {
  return align([HEAD, ...rows], 'left')
}

/** The page about several runs that `--write` keeps. */
export function resultsOf(rows: readonly string[][]): string {
  return `# Chaos: runs that were kept\n\n${machineLine()}\n\n${tableOf(rows)}\n`
}
