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
  readonly hold?: string
  readonly failOffline?: true
  readonly url: string
  readonly apiKey?: string
}

interface Receipt {
  readonly nodeCount: number
  readonly offline: readonly string[]
  readonly offlineCount?: number
  readonly held?: readonly string[]
  readonly heldCount?: number
}

const TIMEOUT = 30_000
const MAX_HOLD = 60_000
const NOBODY_COUNTED =
  '--fail-offline and --all cannot be used together: a push to everyone goes to every node, and does not learn who is there'

/** `flotilla push`: sends one push over HTTP, prints the receipt, and says who was not there. */
export async function push(text: string, options: PushOptions): Promise<number> {
  const { id, key, hold, url, apiKey, all, failOffline } = options
  if (all && failOffline) throw usageError(NOBODY_COUNTED)
  const given = { id, key, hold: hold === undefined ? undefined : parseHold(hold, options) }
  const fields = { ...targetOf(options), ...given }
  const message = options.json === true ? checkJson(text) : JSON.stringify(text)
  // The message goes in as it was typed: parsing it and writing it again would lose digits of large numbers.
  const body = `${JSON.stringify(fields).slice(0, -1)},"message":${message}}`
  const answer = await send(checkUrl(url), body, apiKey)
  const receipt = receiptOf(answer, options)
  process.stdout.write(`${answer.text}\n`)
  const missed = missedBy(receipt)
  if (missed !== undefined) process.stderr.write(`${missed}\n`)
  const isForAll = missed === undefined || (offlineCountOf(receipt) > 0 && lostCountOf(receipt) === 0)
  return isForAll || failOffline !== true ? ExitCode.ok : ExitCode.offline
}

function parseHold(text: string, { uid }: PushOptions): number {
  if (uid === undefined) throw usageError('--hold is for pushes to users: give --uid, or leave --hold out')
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= MAX_HOLD) return Number(text)
  throw usageError(`--hold takes whole milliseconds from 1 to ${MAX_HOLD}, not "${text}"`)
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

const offlineCountOf = ({ offline, offlineCount }: Receipt): number => offlineCount ?? offline.length

/** How many were offline, and have no message that waits for them. */
function lostCountOf(receipt: Receipt): number {
  return offlineCountOf(receipt) - (receipt.heldCount ?? receipt.held?.length ?? 0)
}

/** Undefined if everybody was there. */
function missedBy(receipt: Receipt): string | undefined {
  const { nodeCount, offline } = receipt
  const count = offlineCountOf(receipt)
  if (count === 0) return nodeCount === 0 ? 'nobody got it: nobody is connected there' : undefined
  const names = offline.length === 0 ? `${count} of them` : listed(offline)
  const who = nodeCount === 0 ? 'nobody' : 'not everybody'
  return `${who} got it: ${names} ${count === 1 ? 'is' : 'are'} offline${waitingOf(receipt)}`
}

/** Says for whom a message with --hold waits. */
function waitingOf(receipt: Receipt): string {
  const { offline, held } = receipt
  if (held === undefined) return ''
  const lostCount = lostCountOf(receipt)
  if (lostCount === 0) return '; it waits for them'
  const kept = new Set(held)
  const names = offline.length === 0 ? `${lostCount} of them` : listed(offline.filter((uid) => !kept.has(uid)))
  return `; there is no room for it to wait for ${names}`
}

const MOST_NAMES = 10

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMES
  return `${names.slice(0, MOST_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
