import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { SignJWT } from 'jose'
import { checkAnswer } from './api-answers.ts'

export const SECRET = 'a secret of the tests'
export const API_KEY = 'k-1234567890'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Parsed. The test knows its type. */
  readonly body: unknown
}

export type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>

/**
 * Calls the API of one server, with the right key and content type unless `headers` say otherwise. Sends a string or
 * bytes as they are. Checks that the answer is what the API's own description says.
 */
export function caller(url: string, key = API_KEY): Call {
  const usual = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
  return async (method, path, body, headers = {}) => {
    // Not fetch, which would resolve a path such as /api/users/.. before it sends it.
    const { hostname: host, port } = new URL(url)
    const call = request({ host, port, method, path, headers: { ...usual, ...headers } })
    const isReady = body === undefined || typeof body === 'string' || body instanceof Uint8Array
    call.end(isReady ? body : JSON.stringify(body))
    const [message] = (await once(call, 'response')) as [IncomingMessage]
    const answer = { status: message.statusCode ?? 0, headers: message.headers, body: JSON.parse(await text(message)) }
    checkAnswer(method, path, answer)
    return answer
  }
}

export function errorOf({ body }: Answer): { code: string; message: string } {
  return (body as { error: { code: string; message: string } }).error
}

export async function tokenFor(uid: string, claims: Record<string, unknown> = {}): Promise<string> {
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(uid)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET))
}
