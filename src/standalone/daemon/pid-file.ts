import { randomUUID } from 'node:crypto'
import { linkSync, renameSync, rmSync } from 'node:fs'
import { CliError, systemCode } from '../common/cli-error.ts'
import { createOwn, readOwn, replaceOwn } from './own-file.ts'
import { identityOf, type ProcessIdentity } from './process-identity.ts'

/**
 * Stands beside the pid file, in `FILE.json`, and is what counts: whoever creates it holds the place. The pid alone, as
 * other tools expect it, is written after it and removed before it.
 */
export interface RunRecord extends ProcessIdentity {
  readonly pid: number
  readonly ready?: string
  /** For `restart` to repeat, in this folder. Without secrets: those stand in `secrets` by the names of their flags. */
  readonly args: readonly string[]
  readonly secrets: readonly string[]
  readonly folder: string
}

export type Run =
  | { readonly type: 'none' }
  /** The process that was noted is no more, whoever has its pid by now. */
  | { readonly type: 'stale'; readonly record: RunRecord }
  | { readonly type: 'running'; readonly record: RunRecord }

export const DEFAULT_PID_FILE = 'flotilla.pid'

/** @throws CliError if somebody else may have written what is there */
export function findRun(file: string): Run {
  const record = readRecord(recordFile(file))
  if (record !== undefined) return runOf(record)
  const pid = readOwn(file)
  if (pid === undefined) return { type: 'none' }
  // It may have been noted between the two looks.
  const late = readRecord(recordFile(file))
  if (late !== undefined) return runOf(late)
  throw new CliError(
    /^[1-9]\d{0,9}\n?$/.test(pid)
      ? `${file} was not written by flotilla, for there is no ${recordFile(file)}: remove it if nobody needs it`
      : `${file} does not hold a process id: is it a pid file of flotilla? Remove it if nobody needs it`,
  )
}

/**
 * Notes this process.
 *
 * @throws CliError if another server runs there
 */
export function claimPidFile(file: string, run: Pick<RunRecord, 'args' | 'secrets'>): void {
  const identity = identityOf(process.pid)
  if (identity === undefined) throw new CliError('--pid-file needs /proc or the command ps, to know this process again')
  const record = { pid: process.pid, ...identity, ...run, folder: process.cwd() }
  checkFree(file)
  while (!createOwn(recordFile(file), textOf(record))) checkFree(file)
  try {
    replaceOwn(file, `${process.pid}\n`, 0o644)
  } catch (error) {
    removeRecord(file, record)
    throw error
  }
}

/** @throws CliError if a server runs there; what one has left is taken away */
export function checkFree(file: string): void {
  const run = findRun(file)
  if (run.type === 'stale') removeRun(file, run.record)
  if (run.type !== 'running') return
  throw new CliError(`a server runs already (pid ${run.record.pid}, ${file}): stop it, or give another --pid-file`)
}

/** What a module does to `process.title` while it is loaded is noted as well. */
export function noteReady(file: string, ready: string): void {
  const record = ownRecord(file)
  if (record !== undefined) replaceOwn(recordFile(file), textOf({ ...record, ...identityOf(process.pid), ready }))
}

/** Removes what this process noted; another one's stays. */
export function releasePidFile(file: string): void {
  const record = ownRecord(file)
  if (record !== undefined) removeRun(file, record)
}

/** Removes this record, and before it the pid; a newer one's stay. */
export function removeRun(file: string, record: RunRecord): void {
  takeAway(file, () => isOf(record, readRecord(recordFile(file))))
  removeRecord(file, record)
}

function removeRecord(file: string, record: RunRecord): void {
  takeAway(recordFile(file), (aside) => isOf(record, readRecord(aside)))
}

/** Whether the process is still there, and still the one that was noted. */
export function isRunning({ pid, started }: RunRecord): boolean {
  return identityOf(pid)?.started === started
}

function runOf(record: RunRecord): Run {
  return { type: isRunning(record) ? 'running' : 'stale', record }
}

function ownRecord(file: string): RunRecord | undefined {
  const record = readRecord(recordFile(file))
  return record?.pid === process.pid && isRunning(record) ? record : undefined
}

/** Others may do the same at this moment, and claim the place: what was taken too late is put back. */
function takeAway(file: string, isExpected: (aside: string) => boolean): void {
  if (readOwn(file) === undefined) return
  const aside = `${file}.${randomUUID()}`
  try {
    renameSync(file, aside)
    if (!isExpected(aside)) linkSync(aside, file)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'EEXIST') throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

function isOf({ pid, started }: RunRecord, other: RunRecord | undefined): boolean {
  return other?.pid === pid && other.started === started
}

function readRecord(file: string): RunRecord | undefined {
  const text = readOwn(file)
  if (text === undefined) return undefined
  const record = parse(text)
  if (isRecord(record)) return record
  throw new CliError(`${file} does not hold what flotilla notes beside a pid file: remove it if nobody needs it`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is RunRecord {
  if (typeof value !== 'object' || value === null) return false
  const { pid, started, command, args, secrets, folder } = value as Partial<Record<keyof RunRecord, unknown>>
  const texts = [started, command, folder, ...listOf(args), ...listOf(secrets)]
  // Other numbers stand for groups of processes, or for this one.
  return Number.isSafeInteger(pid) && (pid as number) > 0 && texts.every((text) => typeof text === 'string')
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [undefined]
}

function textOf(record: RunRecord): string {
  return `${JSON.stringify(record)}\n`
}

function recordFile(file: string): string {
  return `${file}.json`
}
