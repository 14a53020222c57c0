import { CliError, ExitCode, usageError } from '../common/cli-error.ts'
import { callServer, NoAnswerError, type ServerAnswer } from '../common/server-call.ts'
import { jsonFlaw } from '../config/json-flaw.ts'

export interface PushOptions {
  readonly uid?: string[]
  readonly group?: string[]
  readonly connection?: string[]
  readonly all?: true
  readonly json?: true
  readonly id?: string
  readonly key?: string
  readonly failOffline?: true
  readonly url: string
  readonly apiKey?: string
}

interface Receipt {
  readonly nodeCount: number
  readonly offline: readonly string[]
  readonly offlineCount?: number
}

const TIMEOUT = 30_000
const NOBODY_COUNTED =
  '--fail-offline and --all cannot be used together: a push to everyone goes to every node, and does not learn who is there'

/** `flotilla push`: sends one push over HTTP, prints the receipt, and says who was not there. */
export async function push(text: string, options: PushOptions): Promise<number> {
  const { id, key, url, apiKey, all, failOffline } = options
  if (all && failOffline) throw usageError(NOBODY_COUNTED)
  const fields = { ...targetOf(options), ...(id !== undefined && { id }), ...(key !== undefined && { key }) }
  const message = options.json === true ? checkJson(text) : JSON.stringify(text)
  // The message goes in as it was typed: parsing it and writing it again would lose digits of large numbers.
  const body = `${JSON.stringify(fields).slice(0, -1)},"message":${message}}`
  const answer = await send(checkUrl(url), body, apiKey)
  const receipt = receiptOf(answer, options)
  process.stdout.write(`${answer.text}\n`)
  const missed = missedBy(receipt)
  if (missed !== undefined) process.stderr.write(`${missed}\n`)
  return missed !== undefined && failOffline === true ? ExitCode.offline : ExitCode.ok
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
    throw usageError(`the message is not JSON at ${jsonFlaw(text)}, but --json takes a message in JSON`)
  }
}

function checkUrl(url: string): string {
  const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
  if ((isHttp && !url.includes('@')) || /^unix:./.test(url)) return url
  throw usageError(
    '--url takes the http(s) URL of a server, such as http://127.0.0.1:18308, without a user and password',
  )
}

async function send(url: string, body: string, apiKey: string | undefined): Promise<ServerAnswer> {
  try {
    return await callServer(url, '/api/push', { method: 'POST', body, apiKey, timeout: TIMEOUT })
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error
    throw new CliError(`${error.message}: ${error.advice ?? 'is the server running, and is --url right?'}`)
  }
}

function receiptOf({ status, text }: ServerAnswer, { url, apiKey }: PushOptions): Receipt {
  const answer = parse(text)
  if (status === 200 && Array.isArray(answer.offline) && answer.nodeCount !== undefined) return answer as Receipt
  const { error } = answer
  if (error === undefined)
    throw new CliError(`${url} answered ${status}, but not as a Flotilla server would: is --url right?`)
  throw new CliError(status === 401 ? keyFlaw(apiKey) : `${error.code}: ${error.message}`)
}

function keyFlaw(apiKey: string | undefined): string {
  const remedy = "the server's --api-key here as well, by --api-key or in FLOTILLA_API_KEY"
  return apiKey ? `the API key is wrong: give ${remedy}` : `the API key is missing: give ${remedy}`
}

function parse(text: string): Partial<Receipt> & { readonly error?: { code: string; message: string } } {
  try {
    return (JSON.parse(text) ?? {}) as ReturnType<typeof parse>
  } catch {
    return {}
  }
}

/** Undefined if everybody was there. */
function missedBy({ nodeCount, offline, offlineCount = offline.length }: Receipt): string | undefined {
  if (offlineCount === 0) return nodeCount === 0 ? 'nobody got it: nobody is connected there' : undefined
  const names = offline.length === 0 ? `${offlineCount} of them` : listed(offline)
  const are = offlineCount === 1 ? 'is' : 'are'
  return nodeCount === 0 ? `nobody got it: ${names} ${are} offline` : `not everybody got it: ${names} ${are} offline`
}

const MOST_NAMES = 10

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMES
  return `${names.slice(0, MOST_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
