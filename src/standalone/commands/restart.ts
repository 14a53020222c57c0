import { Command } from 'commander'
import { CliError, ExitCode, usageError } from '../common/cli-error.ts'
import { loadConfig } from '../config/config.ts'
import { environmentName } from '../config/flags.ts'
import { addStartFlags, flagValues } from '../config/start-flags.ts'
import { startInBackground } from '../daemon/daemon.ts'
import { findRun } from '../daemon/pid-file.ts'
import { end } from './stop.ts'

/** `flotilla restart`: stops the server and starts it in the background, with `args` or, without any, as before. */
export async function restart(pidFile: string, timeout: number, args: readonly string[]): Promise<number> {
  const run = findRun(pidFile)
  const record = run.type === 'none' ? undefined : run.record
  if (args.length === 0 && record === undefined) {
    throw new CliError(
      `not running (there is no ${pidFile}): start a server with "flotilla start --daemon"`,
      ExitCode.notRunning,
    )
  }
  const isAsBefore = args.length === 0
  if (isAsBefore) checkSecrets(record?.secrets ?? [])
  const again = inBackground(isAsBefore ? (record?.args ?? []) : args, pidFile)
  const folder = isAsBefore ? record?.folder : undefined
  await checkSettings(again, folder)
  await end(run, pidFile, timeout)
  return await startInBackground(again, pidFile, folder)
}

/**
 * Secrets are not kept on disk. Without one the server might still start, but with its API off, or on another store.
 */
function checkSecrets(names: readonly string[]): void {
  const missing = names.find((name) => !process.env[environmentName(name)])
  if (missing === undefined) return
  throw usageError(
    `--${missing} was given to the server, but restart does not know its value, because secrets are not kept: set ${environmentName(missing)}, or give all flags again`,
  )
}

/** Fails before the server is stopped if it could not start again, such as without a secret that this shell lacks. */
async function checkSettings(args: readonly string[], folder = process.cwd()): Promise<void> {
  process.chdir(folder)
  const command = new Command()
  addStartFlags(command)
  command.parse(args, { from: 'user' })
  await loadConfig(flagValues(command.opts()), process.env)
}

/** Adds two flags that the server may have been started without: it may have run in the foreground. */
function inBackground(args: readonly string[], pidFile: string): string[] {
  return [...args, '--daemon', '--pid-file', pidFile]
}
