import { CliError, ExitCode, reasonOf } from '../common/cli-error.ts'
import type { Config } from '../config/config-check.ts'
import { type FlagValues, loadConfig } from '../config/config.ts'
import { argsOf, secretsOf, withoutSecrets } from '../config/start-flags.ts'
import { ANNOUNCE_VARIABLE, Announcer } from '../daemon/announce.ts'
import { startInBackground } from '../daemon/daemon.ts'
import { claimPidFile, DEFAULT_PID_FILE, noteReady, releasePidFile, type RunRecord } from '../daemon/pid-file.ts'
import type { Serving } from './serve.ts'

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
    return await run(config, pidFile, repeated, announcer)
  } catch (error) {
    const exitCode = error instanceof CliError ? error.exitCode : ExitCode.failed
    announcer.failed(reasonOf(error), exitCode)
    return exitCode
  }
}

async function run(
  config: Config,
  pidFile: string | undefined,
  repeated: Pick<RunRecord, 'args' | 'secrets'>,
  announcer: Announcer,
): Promise<number> {
  const stopped = stopSignal()
  if (pidFile !== undefined) claimPidFile(pidFile, repeated)
  try {
    const { serve } = await import('./serve.ts')
    const serving = await Promise.race([serve(config), stopped])
    if (typeof serving === 'string') return ExitCode.ok
    const line = `ready node=${serving.server.cluster.self} url=${serving.url}`
    if (pidFile !== undefined) noteReady(pidFile, line)
    announcer.ready(line)
    if (config.dev) process.stderr.write(hintsOf(serving.url))
    await closeOn(stopped, serving)
    return ExitCode.ok
  } finally {
    if (pidFile !== undefined) releasePidFile(pidFile)
  }
}

async function closeOn(stopped: Promise<string>, { server, logger }: Serving): Promise<void> {
  const signal = await stopped
  logger.info({ signal }, 'closing')
  await server.close()
}

function hintsOf(url: string): string {
  const json = `-H 'Content-Type: application/json' -d '{"all":true,"message":"hello"}'`
  if (url.startsWith('unix:')) {
    return `push to everyone:  curl --unix-socket ${url.slice('unix:'.length)} http://localhost/api/push ${json}\n`
  }
  return `try it in a browser:  ${url}\npush to everyone:  curl ${url}/api/push ${json}\n`
}

/**
 * In ms. Ctrl-C reaches this process from the terminal and again from npm: two signals so close together count as one.
 */
const SAME_SIGNAL = 200

/** Resolves at the first signal. A second signal ends the process at once, because its sender does not want to wait. */
async function stopSignal(): Promise<string> {
  return await new Promise((resolve) => {
    let asked: number | undefined
    const onSignal = (signal: string): void => {
      asked ??= performance.now()
      if (performance.now() - asked > SAME_SIGNAL) process.exit(ExitCode.failed)
      resolve(signal)
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
  })
}
