import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { systemCode } from '../common/cli-error.ts'

/** Tells a process from every other one that has had, or will have, the same pid. */
export interface ProcessIdentity {
  /** When it started. */
  readonly started: string
  /** A digest of its command line, which may hold secrets. It changes if the process sets `process.title`. */
  readonly command: string
}

/** Undefined if there is no such process, or if it has ended and only its exit code is left. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  return existsSync('/proc/self/stat') ? identityInProc(pid) : identityByPs(pid)
}

/** proc(5): the state and the start time are the 3rd and 22nd field, after a name that may hold spaces. */
function identityInProc(pid: number): ProcessIdentity | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, ticks] = [fields[0] ?? '', fields[19]]
  if (isOver(state)) return undefined
  // Ticks count from the boot of the machine: after the next boot, a process may have the same pid and ticks.
  const boot = readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
  return { started: `${boot} ${ticks}`, command: digestOf(readIfThere(`/proc/${pid}/cmdline`) ?? '') }
}

/** For machines without /proc, such as macOS. `lstart` (ps(1)) is a date of 24 characters. */
export function identityByPs(pid: number): ProcessIdentity | undefined {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
  const args = ['-ww', '-o', 'state=', '-o', 'lstart=', '-o', 'command=', '-p', String(pid)]
  const [, state = '', started = '', command = ''] = /^(\S+) +(.{24}) (.*)$/.exec(outputOf('ps', args, env)) ?? []
  if (started === '' || isOver(state)) return undefined
  return { started, command: digestOf(command) }
}

/** Empty if the command fails, as `ps` does if there is no such process. */
function outputOf(file: string, args: readonly string[], env: NodeJS.ProcessEnv): string {
  try {
    return execFileSync(file, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}

function isOver(state: string): boolean {
  return /^[ZX]/.test(state)
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(systemCode(error) ?? '')) return undefined
    throw error
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
