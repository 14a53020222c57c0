import { Command } from 'commander'
import { CliError, usageError } from '../common/cli-error.ts'
import { loadConfig } from '../config/config.ts'
import { environmentName } from '../config/flags.ts'
import { addStartFlags, flagValues } from '../config/start-flags.ts'
import { startInBackground } from '../daemon/daemon.ts'
import { findRun } from '../daemon/pid-file.ts'
import { end } from './stop.ts'

/** `flotilla restart`: stops the server and starts it in the background, with these flags or with those it had. */
export async function restart(pidFile: string, timeout: number, args: readonly string[]): Promise<number> {
  const run = findRun(pidFile)
  const record = run.type === 'none' ? undefined : run.record
  if (args.length === 0 && record === undefined) {
    throw new CliError(`nothing is known of a server at ${pidFile}: start one with "flotilla start --daemon"`)
  }
  const isAsBefore = args.length === 0
  if (isAsBefore) checkSecrets(record?.secrets ?? [])
  const again = inBackground(isAsBefore ? (record?.args ?? []) : args, pidFile)
  const folder = isAsBefore ? record?.folder : undefined
  await checkSettings(again, folder)
  await end(run, pidFile, timeout)
  return await startInBackground(again, pidFile, folder)
}

/** They are not kept on disk. Without them the server might start all the same, but with its API off, or on another store. */
function checkSecrets(names: readonly string[]): void {
  const missing = names.find((name) => !process.env[environmentName(name)])
  if (missing === undefined) return
  throw usageError(
    `--${missing} was given to the server, and restart does not know it, for secrets are not kept: set ${environmentName(missing)}, or give all flags again`,
  )
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
