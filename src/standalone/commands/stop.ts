import { setTimeout as sleep } from 'node:timers/promises'
import { CliError, ExitCode } from '../common/cli-error.ts'
import { findRun, isRunning, removeRun, type Run, type RunRecord } from '../daemon/pid-file.ts'
import { identityOf } from '../daemon/process-identity.ts'

const POLL = 50

/** `flotilla stop`: asks the server to close and waits until it has. The exit code is 3 if nothing was running. */
export async function stop(pidFile: string, timeout: number): Promise<number> {
  const run = findRun(pidFile)
  const was = await end(run, pidFile, timeout)
  process.stdout.write(`${was}\n`)
  return run.type === 'running' ? ExitCode.ok : ExitCode.notRunning
}

/** Stops the server, or tidies up after a dead one. Resolves to a sentence that says what was done. */
export async function end(run: Run, pidFile: string, timeout: number): Promise<string> {
  switch (run.type) {
    case 'none':
      return `not running (there is no ${pidFile})`
    case 'stale':
      removeRun(pidFile, run.record)
      return `not running (removed ${pidFile}, left by pid ${run.record.pid})`
    case 'running': {
      askToClose(run.record)
      await waitUntilGone(run.record, timeout)
      removeRun(pidFile, run.record)
      return `stopped pid=${run.record.pid}`
    }
    default:
      throw run satisfies never
  }
}

function askToClose({ pid, command }: RunRecord): void {
  if (identityOf(pid)?.command !== command) {
    throw new CliError(
      `pid ${pid} has a different command line than when it was ready, perhaps because a module set process.title: make sure that it is the server, and end it with "kill ${pid}"`,
    )
  }
  process.kill(pid, 'SIGTERM')
}

// Node cannot wait for a process that is not its child, so this polls.
async function waitUntilGone(record: RunRecord, timeout: number): Promise<void> {
  const until = performance.now() + timeout
  while (isRunning(record)) {
    if (performance.now() > until) {
      throw new CliError(
        `pid ${record.pid} is still closing after ${timeout} ms: wait, or end it with "kill -9 ${record.pid}"`,
      )
    }
    await sleep(POLL)
  }
}
