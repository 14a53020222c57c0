import { setTimeout as sleep } from 'node:timers/promises'
import { CliError, ExitCode } from './cli-error.ts'
import { findRun, isOurs, removeRun, type Run } from './pid-file.ts'

const POLL = 50

/** `flotilla stop`: asks the server to close and waits until it has. What does not run is stopped already. */
export async function stop(pidFile: string, timeout: number): Promise<number> {
  const run = findRun(pidFile)
  const was = await end(run, pidFile, timeout)
  process.stdout.write(`${was}\n`)
  return ExitCode.ok
}

/** Says what it did. */
export async function end(run: Run, pidFile: string, timeout: number): Promise<string> {
  switch (run.type) {
    case 'none':
      return `not running (there is no ${pidFile})`
    case 'stale':
      removeRun(pidFile)
      return `not running (removed ${pidFile}, left by pid ${run.pid})`
    case 'running': {
      process.kill(run.pid, 'SIGTERM')
      await gone(run.pid, run, timeout)
      removeRun(pidFile)
      return `stopped pid=${run.pid}`
    }
    default:
      throw run satisfies never
  }
}

// Another process's end cannot be waited for, only looked for.
async function gone(pid: number, { record }: Run, timeout: number): Promise<void> {
  const until = performance.now() + timeout
  while (isOurs(pid, record)) {
    if (performance.now() > until) {
      throw new CliError(`pid ${pid} is still closing after ${timeout} ms: wait, or end it with "kill -9 ${pid}"`)
    }
    await sleep(POLL)
  }
}
