import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, type InputType, type ZlibOptions } from 'node:zlib'
import type { Context } from 'hono'
import { FlotillaError } from '../../index.ts'
import { systemCode } from '../common/cli-error.ts'
import type { Env } from './api-guard.ts'

/** The codings that HTTP clients send (RFC 9110 §8.4.1). */
const decompress = {
  gzip: promisify<InputType, ZlibOptions, Uint8Array>(gunzip),
  deflate: promisify<InputType, ZlibOptions, Uint8Array>(inflate),
  br: promisify<InputType, ZlibOptions, Uint8Array>(brotliDecompress),
}
const codings = Object.keys(decompress)

export type Coding = keyof typeof decompress

/** How a body is compressed: undefined if it is not. @throws FlotillaError `FLT_BAD_CONTENT_TYPE` */
export function codingOf(c: Context<Env>): Coding | undefined {
  const given = (c.req.header('content-encoding') ?? '').trim().toLowerCase()
  if (given === '' || given === 'identity') return undefined
  const coding = given === 'x-gzip' ? 'gzip' : given
  if (isCoding(coding)) return coding
  // RFC 9110 §15.5.16: a client that gets 415 learns from this header what to send.
  c.header('Accept-Encoding', codings.join(', '))
  throw new FlotillaError(
    'FLT_BAD_CONTENT_TYPE',
    `Content-Encoding takes one of ${codings.join(', ')}: send the body in one of these, or as it is`,
  )
}

/** Stops inflating at `maxSize`, however much more there would be. @throws FlotillaError `FLT_TOO_LARGE`, `FLT_BAD_REQUEST` */
export async function inflated(bytes: Uint8Array, coding: Coding, maxSize: number): Promise<Uint8Array> {
  try {
    return await decompress[coding](bytes, { maxOutputLength: maxSize })
  } catch (cause) {
    if (systemCode(cause) !== 'ERR_BUFFER_TOO_LARGE') {
      throw new FlotillaError('FLT_BAD_REQUEST', `the body is not ${coding}, as its Content-Encoding says`, { cause })
    }
    const message = `the body is larger than ${maxSize} bytes once inflated: send less at once`
    throw new FlotillaError('FLT_TOO_LARGE', message, { cause })
  }
}

function isCoding(text: string): text is Coding {
  return codings.includes(text)
}
