import { connect } from 'node:net'

const PATIENCE = 60_000

export interface RawAnswer {
  readonly status: number
  readonly headers: string
  readonly body: string
}

/** Sends bytes as they are, without an HTTP client that would correct them, and reads until the connection ends. */
export async function rawRequest(url: string, bytes: Uint8Array): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const chunks: Buffer[] = []
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    socket.setTimeout(PATIENCE, () =>
      socket.destroy(new Error(`no answer to ${Buffer.from(bytes).toString('latin1')}`)),
    )
    // The server may close the connection while the request is still being sent.
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve() : reject(error),
    )
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('close', () => resolve())
    socket.end(bytes)
  })
  // An interim response may come before the final one (RFC 9110 §15.2.1).
  const answer = Buffer.concat(chunks)
    .toString()
    .replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '')
  const end = answer.indexOf('\r\n\r\n')
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0),
    headers: answer.slice(0, Math.max(end, 0)).toLowerCase(),
    body: unchunked(answer.slice(0, end).toLowerCase(), answer.slice(end + 4)),
  }
}

function unchunked(headers: string, body: string): string {
  if (!headers.includes('transfer-encoding: chunked')) return body
  const size = Number.parseInt(body, 16)
  const start = body.indexOf('\r\n') + 2
  // `start` counts characters, which are bytes here, because the tests that use this get only ASCII.
  return Buffer.from(body)
    .subarray(start, start + size)
    .toString()
}
