import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { CliError, reasonOf, systemCode } from './cli-error.ts'

/** What is noted beside the pid, for `status` to tell and for `restart` to repeat. */
export interface RunRecord {
  readonly pid: number
  /** Tells the process from a later one with the same pid; unknown where there is no /proc. */
  readonly started: string | undefined
  readonly ready?: string
  readonly args: readonly string[]
  readonly folder: string
}

export type Run =
  | { readonly type: 'none'; readonly record?: RunRecord | undefined }
  /** The file names a process that is no more, or another one by now. */
  | { readonly type: 'stale'; readonly pid: number; readonly record: RunRecord | undefined }
  | { readonly type: 'running'; readonly pid: number; readonly record: RunRecord | undefined }

export const DEFAULT_PID_FILE = 'flotilla.pid'

export function findRun(file: string): Run {
  const record = readRecord(file)
  const pid = readPid(file)
  if (pid === undefined) return { type: 'none', record }
  return isOurs(pid, record) ? { type: 'running', pid, record } : { type: 'stale', pid, record }
}

/** Notes this process. The pid stands alone in its file, as every tool expects; the rest is beside it. */
export function claimPidFile(file: string, args: readonly string[]): void {
  const run = findRun(file)
  if (run.type === 'running' && run.pid !== process.pid) {
    throw new CliError(`a server runs already (pid ${run.pid}, ${file}): stop it, or give another --pid-file`)
  }
  const record = { pid: process.pid, started: startOf(process.pid)?.time, args, folder: process.cwd() }
  write(file, `${process.pid}\n`)
  writeRecord(file, record)
}

export function noteReady(file: string, ready: string): void {
  const record = readRecord(file)
  if (record?.pid === process.pid) writeRecord(file, { ...record, ready })
}

/** Removes what this process noted; another one's stays. */
export function releasePidFile(file: string): void {
  if (readPid(file) === process.pid) removeRun(file)
}

export function removeRun(file: string): void {
  rmSync(file, { force: true })
  rmSync(recordFile(file), { force: true })
}

/** Whether the process is still there, and still the one that was noted. */
export function isOurs(pid: number, record: RunRecord | undefined): boolean {
  if (!isAlive(pid)) return false
  const start = startOf(pid)
  if (start === undefined) return true
  if (start.isZombie) return false
  if (record?.pid === pid && record.started !== undefined) return record.started === start.time
  return /flotilla|standalone.cli/.test(commandOf(pid))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

/** proc(5): the state and the start time are the 3rd and 22nd field, after a name that may hold spaces. */
function startOf(pid: number): { time: string | undefined; isZombie: boolean } | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { time: fields[19], isZombie: fields[0] === 'Z' }
}

function commandOf(pid: number): string {
  return (readIfThere(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ')
}

function readPid(file: string): number | undefined {
  const text = readIfThere(file)?.trim()
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text)
  throw new CliError(`${file} does not hold a process id: is it a pid file of flotilla? Remove it if nobody needs it`)
}

function readRecord(file: string): RunRecord | undefined {
  const text = readIfThere(recordFile(file))
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as RunRecord
  } catch {
    return undefined
  }
}

/** Flags may hold secrets. */
function writeRecord(file: string, record: RunRecord): void {
  write(recordFile(file), `${JSON.stringify(record)}\n`, 0o600)
}

function recordFile(file: string): string {
  return `${file}.json`
}

function write(file: string, text: string, mode = 0o644): void {
  try {
    writeFileSync(file, text, { mode })
  } catch (error) {
    throw new CliError(`--pid-file takes a file that can be written; ${reasonOf(error)}`)
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(systemCode(error) ?? '')) return undefined
    throw new CliError(`cannot read ${file}: ${reasonOf(error)}`)
  }
}
