import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { CliError, ExitCode, reasonOf } from '../common/cli-error.ts'
import { ANNOUNCE_VARIABLE, type Announcement } from './announce.ts'
import { appendToOwn } from './own-file.ts'
import { checkFree } from './pid-file.ts'

const ANNOUNCE_FD = 3

/** Starts a server that outlives this terminal. Resolves once it is ready. @throws CliError if it gives up before */
export async function startInBackground(
  args: readonly string[],
  pidFile: string,
  folder = process.cwd(),
): Promise<number> {
  checkFree(pidFile)
  const logFile = logFileOf(pidFile)
  const log = appendToOwn(logFile)
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', 'start', ...args], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
    env: { ...process.env, [ANNOUNCE_VARIABLE]: String(ANNOUNCE_FD) },
  })
  closeSync(log)
  const ended = new Promise<Announcement>((resolve) => {
    const failed = (reason: string): void => {
      const line = `the server gave up before it was ready (${reason}): see ${logFile}`
      resolve({ type: 'failed', line, exitCode: ExitCode.failed })
    }
    child.once('error', (error) => failed(reasonOf(error)))
    child.once('exit', (code, signal) => failed(signal ?? `exit code ${code}`))
  })
  const announced = firstLine(child.stdio[ANNOUNCE_FD] as Readable)
  const announcement = (await Promise.race([announced, ended])) ?? (await ended)
  child.unref()
  return report(announcement)
}

/** Undefined if the stream ended without a line. */
async function firstLine(stream: Readable): Promise<Announcement | undefined> {
  for await (const line of createInterface({ input: stream })) return JSON.parse(line) as Announcement
  return undefined
}

function report(announcement: Announcement): number {
  if (announcement.type === 'failed') throw new CliError(announcement.line, announcement.exitCode)
  process.stdout.write(`${announcement.line}\n`)
  return ExitCode.ok
}

function logFileOf(pidFile: string): string {
  return `${pidFile.replace(/\.pid$/, '')}.log`
}
