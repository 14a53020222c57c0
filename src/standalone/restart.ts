import { CliError } from './cli-error.ts'
import { startInBackground } from './daemon.ts'
import { findRun } from './pid-file.ts'
import { end } from './stop.ts'

/** `flotilla restart`: stops the server and starts it in the background, with these flags or with those it had. */
export async function restart(pidFile: string, timeout: number, args: readonly string[]): Promise<number> {
  const run = findRun(pidFile)
  if (args.length === 0 && run.record === undefined) {
    throw new CliError(`nothing is known of a server at ${pidFile}: start one with "flotilla start --daemon"`)
  }
  await end(run, pidFile, timeout)
  const { folder, args: before = [] } = run.record ?? {}
  const again = args.length === 0 ? before : args
  return await startInBackground(inBackground(again, pidFile), pidFile, args.length === 0 ? folder : undefined)
}

/** The server may have been started in the foreground, with a pid file. */
function inBackground(args: readonly string[], pidFile: string): string[] {
  return [...args, '--daemon', '--pid-file', pidFile]
}
