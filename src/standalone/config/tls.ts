import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { RedisTlsOptions } from '../../drivers/redis/redis.ts'
import { systemCode, usageError } from '../common/cli-error.ts'
import type { Config, RedisStore } from './config-check.ts'

/** A certificate and its private key, in PEM. */
export interface Tls {
  readonly cert: Buffer
  readonly key: Buffer
}

export async function readTls({ tlsCert, tlsKey }: Config): Promise<Tls | undefined> {
  return await readPair(['--tls-cert', tlsCert], ['--tls-key', tlsKey])
}

export async function readRedisTls({ ca, cert, key, servername }: RedisStore): Promise<RedisTlsOptions | undefined> {
  if ([ca, cert, key, servername].every((one) => one === undefined)) return undefined
  return {
    ...(ca !== undefined && { ca: await readCertificate('--redis-ca', ca) }),
    ...(await readPair(['--redis-cert', cert], ['--redis-key', key])),
    ...(servername !== undefined && { servername }),
  }
}

type Given = readonly [flag: string, path: string | undefined]

async function readPair([certFlag, certPath]: Given, [keyFlag, keyPath]: Given): Promise<Tls | undefined> {
  if (certPath === undefined || keyPath === undefined) return undefined
  const cert = await readCertificate(certFlag, certPath)
  const key = await read(keyFlag, keyPath)
  const keyFlaw = `${keyFlag} ${keyPath} is not a private key in PEM, or is encrypted`
  const privateKey = check(keyFlaw, () => createPrivateKey(key))
  if (!new X509Certificate(cert).checkPrivateKey(privateKey))
    throw usageError(`${keyFlag} ${keyPath} belongs to another certificate than ${certFlag}: give the key of that one`)
  check(`${certFlag} ${certPath} is not a certificate that TLS can use`, () => createSecureContext({ cert, key }))
  return { cert, key }
}

async function readCertificate(flag: string, path: string): Promise<Buffer> {
  const certificate = await read(flag, path)
  check(`${flag} ${path} is not a certificate in PEM`, () => new X509Certificate(certificate))
  return certificate
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
