import { CliError, ExitCode } from '../common/cli-error.ts'
import { callServer, type ServerAnswer } from '../common/server-call.ts'
import { findRun, type RunRecord } from '../daemon/pid-file.ts'
import { duration } from './duration.ts'

/**
 * `flotilla status`: exit code 0 if the server is running, 1 if it died and left its pid file, 3 if there is none. What
 * the server says of itself comes after the first line; without the API key it says less.
 */
export async function status(pidFile: string, apiKey: string | undefined): Promise<number> {
  const run = findRun(pidFile)
  switch (run.type) {
    case 'running': {
      const more = run.record.ready?.replace(/^ready /, '') ?? 'not ready yet'
      process.stdout.write(`running pid=${run.record.pid} ${more}\n`)
      await report(run.record, apiKey)
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

async function report({ ready, readyAt }: RunRecord, apiKey: string | undefined): Promise<void> {
  const url = /\burl=(\S+)$/.exec(ready ?? '')?.[1]
  if (url === undefined) return
  if (readyAt !== undefined) process.stdout.write(`up for ${duration((Date.now() - readyAt) / 1_000)}\n`)
  try {
    const readiness = errorIn(await ask(url, '/readyz'))
    // The counts would come from the store, too.
    if (readiness !== undefined) process.stdout.write(`not ready: ${readiness}\n`)
    else await reportCounts(url, apiKey)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    process.stdout.write(`${error.message}\n`)
  }
}

async function reportCounts(url: string, apiKey: string | undefined): Promise<void> {
  const stats = await ask(url, '/api/stats', apiKey)
  const refusal = errorIn(stats)
  if (refusal === undefined) process.stdout.write(`${countsIn(stats)}\n`)
  else process.stderr.write(`connections and nodes cannot be shown: ${remedyOf(stats, apiKey) ?? refusal}\n`)
}

/** In ms. */
const PATIENCE = 3_000

async function ask(url: string, path: string, apiKey?: string): Promise<ServerAnswer> {
  return await callServer(url, path, { apiKey, timeout: PATIENCE, isOwn: true })
}

interface Stats {
  readonly cluster: { readonly nodeCount: number; readonly connectionCount: number }
  readonly local: { readonly connectionCount: number }
}

function countsIn({ text }: ServerAnswer): string {
  const { cluster, local } = JSON.parse(text) as Stats
  const all = `${counted(cluster.nodeCount, 'node')}, ${counted(cluster.connectionCount, 'connection')}`
  return `${counted(local.connectionCount, 'connection')}\ncluster: ${all}`
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Undefined if the answer is no error. */
function errorIn({ status, text }: ServerAnswer): string | undefined {
  if (status === 200) return undefined
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } }
    return `${error.message} (${error.code})`
  } catch {
    return `it answered ${status}`
  }
}

function remedyOf({ status }: ServerAnswer, apiKey: string | undefined): string | undefined {
  if (status !== 401) return undefined
  return `the API key is ${apiKey ? 'wrong' : 'missing'}: set FLOTILLA_API_KEY, or give --api-key`
}
