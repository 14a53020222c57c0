import { setTimeout as sleep } from 'node:timers/promises'
import { CliError, ExitCode, reasonOf } from '../common/cli-error.ts'
import type { Config } from '../config/config-check.ts'
import { type FlagValues, loadConfig } from '../config/config.ts'
import { argsOf, secretsOf, withoutSecrets } from '../config/start-flags.ts'
import { ANNOUNCE_VARIABLE, Announcer } from '../daemon/announce.ts'
import { startInBackground } from '../daemon/daemon.ts'
import { claimPidFile, DEFAULT_PID_FILE, noteReady, releasePidFile, type RunRecord } from '../daemon/pid-file.ts'
import { supervisor } from '../daemon/supervisor.ts'
import { Reload } from './reload.ts'
import type { Serving } from './serve.ts'
import { Signals } from './signals.ts'

/** In ms. Docker kills a process ten seconds after SIGTERM, and some of them go to the delay of the drain. */
const CLOSE_PATIENCE = 5_000
/** In ms. The rest is for handlers that are cut off, and for the store. */
const CLIENT_PATIENCE = 3_500

/**
 * `flotilla start`: resolves to the exit code once the server has stopped. `args` are the same flags, to start it in
 * the background.
 */
export async function start(flagValues: FlagValues, args: readonly string[]): Promise<number> {
  const announcer = new Announcer(process.env[ANNOUNCE_VARIABLE])
  delete process.env[ANNOUNCE_VARIABLE]
  try {
    const config = await loadConfig(flagValues, process.env)
    const pidFile = config.pidFile ?? (config.daemon ? DEFAULT_PID_FILE : undefined)
    if (config.daemon && !announcer.isBackground) return await startInBackground(args, pidFile ?? DEFAULT_PID_FILE)
    const repeated = { args: argsOf(withoutSecrets(flagValues)), secrets: secretsOf(flagValues, process.env) }
    const loadAgain = () => loadConfig(flagValues, process.env, { isAgain: true })
    return await run(config, loadAgain, pidFile, repeated, announcer)
  } catch (error) {
    const exitCode = error instanceof CliError ? error.exitCode : ExitCode.failed
    announcer.failed(reasonOf(error), exitCode)
    return exitCode
  }
}

async function run(
  config: Config,
  loadAgain: () => Promise<Config>,
  pidFile: string | undefined,
  repeated: Pick<RunRecord, 'args' | 'secrets'>,
  announcer: Announcer,
): Promise<number> {
  const signals = new Signals()
  if (pidFile !== undefined) claimPidFile(pidFile, repeated)
  try {
    const { serve } = await import('./serve.ts')
    const serving = await Promise.race([serve(config), signals.ended])
    if ('signal' in serving) return ExitCode.ok
    const reload = new Reload(serving, loadAgain)
    signals.onReload(() => void reload.run())
    const line = `ready node=${serving.server.cluster.self} url=${serving.url}`
    if (pidFile !== undefined) noteReady(pidFile, line)
    announcer.ready(line)
    supervisor.ready(serving.logger)
    if (config.dev) process.stderr.write(hintsOf(serving.url))
    return await closeOn(signals, serving)
  } finally {
    if (pidFile !== undefined) releasePidFile(pidFile)
  }
}

async function closeOn(signals: Signals, { server, logger, config }: Serving): Promise<number> {
  const { signal, drains } = await signals.ended
  const drainDelay = drains ? config.drainDelay : 0
  logger.info({ signal, drainDelay }, 'closing')
  supervisor.stopping(logger)
  if (drainDelay > 0) await Promise.race([server.drain({ delay: drainDelay }), signals.hurried])
  signals.closing()
  const closed = server.close({ timeout: CLIENT_PATIENCE }).then(() => true)
  if (await Promise.race([closed, sleep(CLOSE_PATIENCE, false)])) return ExitCode.ok
  logger.error({}, `not closed within ${CLOSE_PATIENCE} ms: the other nodes take over what this one still owes`)
  return ExitCode.failed
}

function hintsOf(url: string): string {
  const json = `-H 'Content-Type: application/json' -d '{"all":true,"message":"hello"}'`
  if (url.startsWith('unix:')) {
    return `push to everyone:  curl --unix-socket ${url.slice('unix:'.length)} http://localhost/api/push ${json}\n`
  }
  return `try it in a browser:  ${url}\npush to everyone:  curl ${url}/api/push ${json}\n`
}
