import { Command } from 'commander'
import { CliError } from './cli-error.ts'
import { loadConfig } from './config.ts'
import { startInBackground } from './daemon.ts'
import { findRun } from './pid-file.ts'
import { addStartFlags, flagValues } from './start-flags.ts'
import { end } from './stop.ts'

/** `flotilla restart`: stops the server and starts it in the background, with these flags or with those it had. */
export async function restart(pidFile: string, timeout: number, args: readonly string[]): Promise<number> {
  const run = findRun(pidFile)
  if (args.length === 0 && run.record === undefined) {
    throw new CliError(`nothing is known of a server at ${pidFile}: start one with "flotilla start --daemon"`)
  }
  const isAsBefore = args.length === 0
  const again = inBackground(isAsBefore ? (run.record?.args ?? []) : args, pidFile)
  const folder = isAsBefore ? run.record?.folder : undefined
  await checkSettings(again, folder)
  await end(run, pidFile, timeout)
  return await startInBackground(again, pidFile, folder)
}

/** What would keep the server from starting again, such as a secret that this shell does not have, is said before it stops. */
async function checkSettings(args: readonly string[], folder = process.cwd()): Promise<void> {
  process.chdir(folder)
  const command = new Command()
  addStartFlags(command)
  command.parse(args, { from: 'user' })
  await loadConfig(flagValues(command.opts()), process.env)
}

/** The server may have been started in the foreground, with a pid file. */
function inBackground(args: readonly string[], pidFile: string): string[] {
  return [...args, '--daemon', '--pid-file', pidFile]
}
