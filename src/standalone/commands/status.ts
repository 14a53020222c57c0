import { ExitCode } from '../common/cli-error.ts'
import { findRun } from '../daemon/pid-file.ts'

/** `flotilla status`: exit code 0 if the server is running, 1 if it died and left its pid file, 3 if there is none. */
export function status(pidFile: string): number {
  const run = findRun(pidFile)
  switch (run.type) {
    case 'running': {
      const more = run.record.ready?.replace(/^ready /, '') ?? 'not ready yet'
      process.stdout.write(`running pid=${run.record.pid} ${more}\n`)
      return ExitCode.ok
    }
    case 'stale':
      process.stdout.write(`dead: ${pidFile} names pid ${run.record.pid}, which is gone\n`)
      return ExitCode.failed
    case 'none':
      process.stdout.write(`not running (there is no ${pidFile})\n`)
      return ExitCode.notRunning
    default:
      throw run satisfies never
  }
}
