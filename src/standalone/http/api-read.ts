import type { Context } from 'hono'
import { FlotillaError, JsonSource } from '../../index.ts'
import { badRequest } from './api-error.ts'
import type { Env } from './api-guard.ts'
import { codingOf, inflated } from './content-coding.ts'

const MEBIBYTE = 1_048_576

/**
 * How large a body may be. Base64 adds a third, JSON may double the length of a text, and there may be many targets.
 */
export function bodySizeOf(maxPayload: number): number {
  return 2 * maxPayload + MEBIBYTE
}

/** @throws FlotillaError `FLT_BAD_CONTENT_TYPE`, `FLT_TOO_LARGE`, `FLT_BAD_JSON` */
export async function readJson(c: Context<Env>, maxSize: number): Promise<JsonSource> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/json *(;|$)/i.test(type)) {
    throw new FlotillaError('FLT_BAD_CONTENT_TYPE', 'the body must be JSON: send "Content-Type: application/json"')
  }
  const coding = codingOf(c)
  const body = await readBody(c.req.raw, maxSize)
  if (body.type === 'whole')
    return parseJson(coding === undefined ? body.bytes : await inflated(body.bytes, coding, maxSize))
  // The rest of the body is never read, so no other request can follow on this connection.
  if (body.type === 'cut off') c.header('Connection', 'close')
  throw new FlotillaError('FLT_TOO_LARGE', `the body is larger than ${maxSize} bytes: send less at once`)
}

type Body =
  | { readonly type: 'whole'; readonly bytes: Uint8Array }
  /** Read to its end, but not kept. */
  | { readonly type: 'too large' }
  /** Not read to its end. */
  | { readonly type: 'cut off' }

/** A client reads a refusal only once it has sent its body, so up to this much more of it is read and thrown away. */
const PATIENCE = 16 * MEBIBYTE

async function readBody(request: Request, maxSize: number): Promise<Body> {
  const length = request.headers.get('content-length')
  // Node's parser never passes on more bytes than Content-Length announced.
  if (length !== null && Number(length) <= maxSize) {
    return { type: 'whole', bytes: new Uint8Array(await request.arrayBuffer()) }
  }
  if (Number(length) > maxSize + PATIENCE) return { type: 'cut off' }
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = request.body?.getReader()
  for (let read = await reader?.read(); read?.value !== undefined; read = await reader?.read()) {
    size += read.value.length
    if (size > maxSize + PATIENCE) return { type: 'cut off' }
    if (size <= maxSize) chunks.push(read.value)
    else chunks.length = 0
  }
  return size > maxSize ? { type: 'too large' } : { type: 'whole', bytes: Buffer.concat(chunks) }
}

function parseJson(bytes: Uint8Array): JsonSource {
  try {
    return JsonSource.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    // The first two bytes of gzip (RFC 1952 §2.3.1), which no text in UTF-8 begins with.
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
    const why = isGzip
      ? 'the body is compressed: send its Content-Encoding, which is gzip'
      : 'the body is not JSON in UTF-8'
    throw new FlotillaError('FLT_BAD_JSON', why, { cause })
  }
}

/** @throws FlotillaError `FLT_BAD_REQUEST` if the path is not percent-encoded UTF-8 */
export function checkPath(path: string): void {
  checkEncoding(path, 'path')
}

/** @throws FlotillaError `FLT_BAD_REQUEST` if a name occurs twice, or the query is not percent-encoded UTF-8 */
export function queryOf(c: Context<Env>): Record<string, string> {
  checkEncoding(/\?([^#]*)/.exec(c.env.incoming.url ?? '')?.[1] ?? '', 'query')
  const entries = Object.entries(c.req.queries())
  const twice = entries.find(([, values]) => values.length > 1)
  if (twice !== undefined) throw badRequest(`${twice[0]} occurs twice in the query: give it once`)
  return Object.fromEntries(entries.map(([name, values]) => [name, values[0] ?? '']))
}

function checkEncoding(text: string, part: string): void {
  try {
    decodeURIComponent(text)
  } catch (cause) {
    throw new FlotillaError('FLT_BAD_REQUEST', `the ${part} holds a % that is not percent-encoded UTF-8`, { cause })
  }
}
