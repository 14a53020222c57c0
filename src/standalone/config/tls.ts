import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { systemCode, usageError } from '../common/cli-error.ts'
import type { Config } from './config-check.ts'

export interface Tls {
  readonly cert: Buffer
  readonly key: Buffer
}

export async function readTls({ tlsCert, tlsKey }: Config): Promise<Tls | undefined> {
  if (tlsCert === undefined || tlsKey === undefined) return undefined
  const cert = await read('--tls-cert', tlsCert)
  const key = await read('--tls-key', tlsKey)
  const certificate = check('--tls-cert takes a certificate in PEM', tlsCert, () => new X509Certificate(cert))
  const privateKey = check('--tls-key takes a private key in PEM, not encrypted', tlsKey, () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey))
    throw usageError(`--tls-key takes the private key of --tls-cert; ${tlsKey} belongs to another certificate`)
  check('--tls-cert takes a certificate that TLS can use', tlsCert, () => createSecureContext({ cert, key }))
  return { cert, key }
}

async function read(flag: string, path: string): Promise<Buffer> {
  return await readFile(path).catch((error: unknown) => {
    // The message leaves out the path, because it may be the key itself, given by mistake.
    const reason =
      systemCode(error) === 'ENOENT' ? 'there is no such file' : `this one cannot be read (${systemCode(error)})`
    throw usageError(`${flag} takes the path of a file that can be read; ${reason}`)
  })
}

function check<T>(takes: string, path: string, parse: () => T): T {
  try {
    return parse()
  } catch {
    throw usageError(`${takes}; ${path} holds something else`)
  }
}
