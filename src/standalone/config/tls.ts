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
  const certificate = check(`--tls-cert ${tlsCert} is not a certificate in PEM`, () => new X509Certificate(cert))
  const privateKey = check(`--tls-key ${tlsKey} is not a private key in PEM, or is encrypted`, () =>
    createPrivateKey(key),
  )
  if (!certificate.checkPrivateKey(privateKey))
    throw usageError(`--tls-key ${tlsKey} belongs to another certificate than --tls-cert: give the key of that one`)
  check(`--tls-cert ${tlsCert} is not a certificate that TLS can use`, () => createSecureContext({ cert, key }))
  return { cert, key }
}

async function read(flag: string, path: string): Promise<Buffer> {
  return await readFile(path).catch((error: unknown) => {
    // The message leaves out the path, because it may be the key itself, given by mistake.
    const reason =
      systemCode(error) === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${systemCode(error)})`
    throw usageError(`${flag}: ${reason}; it takes the path of a file that can be read`)
  })
}

function check<T>(flaw: string, parse: () => T): T {
  try {
    return parse()
  } catch {
    throw usageError(flaw)
  }
}
