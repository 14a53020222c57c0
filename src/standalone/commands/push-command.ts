import { CliError, ExitCode, reasonOf, usageError } from '../common/cli-error.ts'
import { jsonFlaw } from '../config/json-flaw.ts'

export interface PushOptions {
  readonly uid?: string[]
  readonly group?: string[]
  readonly connection?: string[]
  readonly all?: true
  readonly json?: true
  readonly id?: string
  readonly key?: string
  readonly url: string
  readonly apiKey?: string
}

const TIMEOUT = 30_000

/** `flotilla push`: sends one push over HTTP and prints the receipt. */
export async function push(text: string, options: PushOptions): Promise<number> {
  const { id, key, url, apiKey } = options
  const fields = { ...targetOf(options), ...(id !== undefined && { id }), ...(key !== undefined && { key }) }
  const message = options.json === true ? checkJson(text) : JSON.stringify(text)
  // The message goes in as it was typed: parsing it and writing it again would lose digits of large numbers.
  const body = `${JSON.stringify(fields).slice(0, -1)},"message":${message}}`
  const endpoint = endpointOf(url)
  const answer = await send(endpoint, body, checkKey(apiKey))
  const json = await answer.text()
  if (!answer.ok) throw new CliError(errorOf(json, answer.status, endpoint.origin))
  process.stdout.write(`${json}\n`)
  return ExitCode.ok
}

function targetOf({ uid, group, connection, all }: PushOptions): object {
  const targets = Object.entries({ uid, group, connection, all }).filter(([, value]) => value !== undefined)
  if (targets.length === 1) return Object.fromEntries(targets.map(([name, value]) => [name, oneOrMany(value)]))
  throw usageError('push takes exactly one kind of target: --uid, --group, --connection or --all')
}

function oneOrMany(value: string[] | true | undefined): unknown {
  return Array.isArray(value) && value.length === 1 ? value[0] : value
}

function checkJson(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch {
    throw usageError(`--json takes a message in JSON; this one is not JSON at ${jsonFlaw(text)}`)
  }
}

function endpointOf(url: string): URL {
  const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
  if (isHttp && !url.includes('@')) return new URL('api/push', url.endsWith('/') ? url : `${url}/`)
  throw usageError(
    '--url takes the http(s) URL of a server, such as http://127.0.0.1:18308, without a user and password',
  )
}

/** Refuses a key that no header can hold, because the error of fetch would quote it. */
function checkKey(apiKey: string | undefined): string | undefined {
  if (apiKey === undefined || /^[\x21-\x7E]*$/.test(apiKey)) return apiKey
  throw usageError('--api-key takes printable ASCII without spaces')
}

async function send(endpoint: URL, body: string, apiKey: string | undefined): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', ...(apiKey && { Authorization: `Bearer ${apiKey}` }) }
  try {
    const signal = AbortSignal.timeout(TIMEOUT)
    return await fetch(endpoint, { method: 'POST', headers, body, signal })
  } catch (error) {
    const reason = reasonOf(error instanceof Error && error.cause !== undefined ? error.cause : error)
    throw new CliError(`cannot reach ${endpoint.origin} (${reason}): is the server running, and is --url right?`)
  }
}

function errorOf(json: string, status: number, origin: string): string {
  try {
    const { error } = JSON.parse(json) as { error: { code: string; message: string } }
    return `${error.code}: ${error.message}`
  } catch {
    return `${origin} answered ${status}, but not as a Flotilla server would: is --url right?`
  }
}
