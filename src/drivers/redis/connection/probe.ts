import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Endpoint } from './address.ts'
import { alertIn } from './fault.ts'
import { isOfWebServer, MisfitError, NoRedisError } from './refusal.ts'

/** ms for a server to answer a question. */
const ANSWER_WITHIN = 1_000

/**
 * A server that expects TLS drops a client without TLS, or lets it wait, and so does a server without TLS the other way
 * round. This asks the server the other way, and tells no secret. Undefined if that explains nothing.
 */
export async function whatIsWrongAt(endpoint: Endpoint, isTls: boolean): Promise<Error | undefined> {
  if (!isTls) return (await speaksTls(endpoint)) ? new MisfitError(WANTS_TLS, textOf(endpoint)) : undefined
  const answer = await answerWithoutTls(endpoint)
  if (/^[+-]/.test(answer)) return new MisfitError(WANTS_NO_TLS, textOf(endpoint))
  if (isOfWebServer(answer)) return new NoRedisError(textOf(endpoint), answer)
  return undefined
}

const WANTS_TLS = 'this server expects TLS: write rediss:// instead of redis:// in the URL'
const WANTS_NO_TLS =
  'this Redis does not speak TLS at this port: write redis:// in the URL without TLS options, or give its port for TLS'

function speaksTls({ host, port }: Endpoint): Promise<boolean> {
  return new Promise((resolve) => {
    // Nothing is sent over this connection, so it does not matter who has the certificate.
    const socket = connectTls({ host, port, rejectUnauthorized: false, timeout: ANSWER_WITHIN })
    const settle = (speaks: boolean): void => {
      socket.destroy()
      resolve(speaks)
    }
    socket.on('secureConnect', () => settle(true))
    socket.on('timeout', () => settle(false))
    socket.on('close', () => settle(false))
    // Only a server with TLS sends an alert (RFC 8446 §6).
    socket.on('error', (error: NodeJS.ErrnoException) => settle(alertIn(error.code ?? '') !== undefined))
  })
}

function answerWithoutTls({ host, port }: Endpoint): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectPlain({ host, port, timeout: ANSWER_WITHIN }, () => socket.write('PING\r\n'))
    const settle = (answer: string): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('data', (bytes) => settle(bytes.toString('latin1')))
    for (const event of ['timeout', 'close', 'error']) socket.on(event, () => settle(''))
  })
}

function textOf({ host, port }: Endpoint): string {
  return `${host}:${port}`
}
