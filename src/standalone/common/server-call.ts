import { request as requestPlain, type RequestOptions } from 'node:http'
import { request as requestTls } from 'node:https'
import { text } from 'node:stream/consumers'
import { CliError, reasonOf, usageError } from './cli-error.ts'

export interface ServerCall {
  readonly method?: 'GET' | 'POST'
  /** JSON */
  readonly body?: string
  readonly apiKey?: string | undefined
  /** In ms, for the whole answer. */
  readonly timeout: number
  /** The server is a process of this user on this machine, so its certificate need not be made out to this address. */
  readonly isOwn?: boolean
}

export interface ServerAnswer {
  readonly status: number
  readonly text: string
}

/**
 * Calls the HTTP side of a server. `url` begins with `http://`, `https://` or `unix:`, as in the ready line.
 *
 * @throws CliError with exit code 2 if the key is none
 * @throws NoAnswerError
 */
export async function callServer(url: string, path: string, call: ServerCall): Promise<ServerAnswer> {
  const { method = 'GET', body, apiKey, timeout, isOwn = false } = call
  // No header could hold it, and the error of Node would not say which flag is wrong.
  if (apiKey && !/^[\x21-\x7E]+$/.test(apiKey)) throw usageError('--api-key takes printable ASCII without spaces')
  const headers = { ...(body !== undefined && JSON_BODY), ...(apiKey && { Authorization: `Bearer ${apiKey}` }) }
  const signal = AbortSignal.timeout(timeout)
  try {
    return await send(url, path, { method, headers, signal, ...(isOwn && { rejectUnauthorized: false }) }, body)
  } catch (error) {
    if (signal.aborted) throw new NoAnswerError(`${url} does not answer within ${timeout} ms`)
    throw new NoAnswerError(flawOf(error, url), adviceOn(codeOf(error)))
  }
}

/** The message says why there is no answer, and nothing more. */
export class NoAnswerError extends CliError {
  /** What to do, if the cause leaves no doubt. */
  readonly advice: string | undefined

  constructor(message: string, advice?: string) {
    super(message)
    this.advice = advice
  }
}

const JSON_BODY = { 'Content-Type': 'application/json' }

async function send(url: string, path: string, options: RequestOptions, body?: string): Promise<ServerAnswer> {
  return await new Promise((resolve, reject) => {
    const call = requestTo(url, path, options)
    call.once('error', reject)
    call.once('response', (response) => {
      text(response).then((content) => resolve({ status: response.statusCode ?? 0, text: content }), reject)
    })
    call.end(body)
  })
}

function requestTo(url: string, path: string, options: RequestOptions): ReturnType<typeof requestPlain> {
  if (url.startsWith('unix:')) {
    return requestPlain({ ...options, path, host: 'localhost', socketPath: url.slice('unix:'.length) })
  }
  const target = new URL(path.slice(1), url.endsWith('/') ? url : `${url}/`)
  return (target.protocol === 'https:' ? requestTls : requestPlain)(target, options)
}

/** Why there is no answer, the cause first. */
function flawOf(error: unknown, url: string): string {
  const code = codeOf(error)
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return `nothing listens at ${url} (${code})`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host of ${url} is not known (${code})`
    case 'ECONNRESET':
    case 'EPIPE':
      return `${url} ended the connection without an answer (${url.startsWith('http:') ? 'https:// may be right' : code})`
    default:
      if (NO_TLS.test(code)) return `${url} does not speak TLS (http:// may be right)`
      if (CERTIFICATE.test(code)) return `the certificate of ${url} is not trusted here (${code})`
      return `${url} cannot be reached (${reasonOf(error)})`
  }
}

/** OpenSSL has several words for it, such as a wrong version or a record that is too long. */
const NO_TLS = /^EPROTO$|^ERR_SSL_/
const CERTIFICATE = /CERT|SIGNATURE/

function adviceOn(code: string): string | undefined {
  if (NO_TLS.test(code) || !CERTIFICATE.test(code)) return undefined
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'write a host that it names'
  if (/EXPIRED|NOT_YET/.test(code)) return 'look at its dates, and at the clock of this machine'
  return 'if its authority is one of your own, give the certificate of that as NODE_EXTRA_CA_CERTS=FILE'
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
