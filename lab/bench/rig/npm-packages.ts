import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../rig/lab-error.ts'

const bench = fileURLToPath(new URL('..', import.meta.url))

/** Installs the peers in lab/bench/node_modules unless they are there already. */
export function provideNpmPackages(): void {
  // npm leaves a copy of the lock file among the packages that it installed.
  if (timeOf('node_modules/.package-lock.json') >= timeOf('package-lock.json')) return
  process.stderr.write('installing the peers …\n')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: bench, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new LabError('npm ci failed in lab/bench')
}

function timeOf(path: string): number {
  const file = join(bench, path)
  return existsSync(file) ? statSync(file).mtimeMs : 0
}
