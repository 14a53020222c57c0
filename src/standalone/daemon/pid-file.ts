import { randomUUID } from 'node:crypto'
import { linkSync, renameSync, rmSync } from 'node:fs'
import { CliError, systemCode } from '../common/cli-error.ts'
import { createOwn, readOwn, replaceOwn } from './own-file.ts'
import { identityOf, type ProcessIdentity } from './process-identity.ts'

/**
 * The record of a running server, in `FILE.json` beside the pid file. Only the record counts: the process that creates it
 * holds the place. The pid file is for other tools, written after the record and removed before it.
 */
export interface RunRecord extends ProcessIdentity {
  readonly pid: number
  readonly ready?: string
  /** When it became ready, in ms since 1970. */
  readonly readyAt?: number
  /** The flags that `restart` repeats in `folder`. Those with secrets are left out: `secrets` has only their names. */
  readonly args: readonly string[]
  readonly secrets: readonly string[]
  readonly folder: string
}

export type Run =
  | { readonly type: 'none' }
  /** The recorded process has ended, even if another process has its pid by now. */
  | { readonly type: 'stale'; readonly record: RunRecord }
  | { readonly type: 'running'; readonly record: RunRecord }

export const DEFAULT_PID_FILE = 'flotilla.pid'

/** @throws CliError if another user may have written these files */
export function findRun(file: string): Run {
  const record = readRecord(recordFile(file))
  if (record !== undefined) return runOf(record)
  const pid = readOwn(file)
  if (pid === undefined) return { type: 'none' }
  // A server that is starting may have written its record between the two reads.
  const late = readRecord(recordFile(file))
  if (late !== undefined) return runOf(late)
  throw new CliError(
    /^[1-9]\d{0,9}\n?$/.test(pid)
      ? `${file} was not written by flotilla, because there is no ${recordFile(file)}: remove it if nobody needs it`
      : `${file} does not hold a process id: is it a pid file of flotilla? Remove it if nobody needs it`,
  )
}

/**
 * Records this process as the server of this pid file.
 *
 * @throws CliError if another server runs there
 */
export function claimPidFile(file: string, run: Pick<RunRecord, 'args' | 'secrets'>): void {
  const identity = identityOf(process.pid)
  if (identity === undefined)
    throw new CliError('--pid-file needs /proc or the command ps, to recognise this process later')
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

/** Removes what a dead server has left. @throws CliError if a server runs there */
export function checkFree(file: string): void {
  const run = findRun(file)
  if (run.type === 'stale') removeRun(file, run.record)
  if (run.type !== 'running') return
  throw new CliError(
    `a server is already running (pid ${run.record.pid}, ${file}): stop it, or give another --pid-file`,
  )
}

/** Adds the ready line to the record, and updates the identity: loading a module may have set `process.title`. */
export function noteReady(file: string, ready: string): void {
  const record = ownRecord(file)
  if (record === undefined) return
  replaceOwn(recordFile(file), textOf({ ...record, ...identityOf(process.pid), ready, readyAt: Date.now() }))
}

/** Removes the files of this process. Those of another process stay. */
export function releasePidFile(file: string): void {
  const record = ownRecord(file)
  if (record !== undefined) removeRun(file, record)
}

/** Removes the pid file, then this record. Those of a newer server stay. */
export function removeRun(file: string, record: RunRecord): void {
  takeAway(file, () => isOf(record, readRecord(recordFile(file))))
  removeRecord(file, record)
}

function removeRecord(file: string, record: RunRecord): void {
  takeAway(recordFile(file), (aside) => isOf(record, readRecord(aside)))
}

/** Whether the recorded process is still running. A process with the same pid but another start time does not count. */
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

/** Moves a file aside to remove it. Meanwhile another process may have claimed the place: then its file is put back. */
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
  throw new CliError(`${file} is not a record of flotilla: remove it if nobody needs it`)
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
  // kill(2) takes 0 and negative numbers for groups of processes.
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
