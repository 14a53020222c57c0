import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type ConnectionOptions, createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { FlotillaError } from '../../../errors.ts'
import { checkNames } from '../../../lib/checked-names.ts'

/** How connections to Redis and to its sentinels use TLS. All certificates and keys are the content of files in PEM. */
export interface RedisTlsOptions {
  /** The authorities whose certificates are accepted. Default: those that Node trusts. */
  ca?: string | Buffer | readonly (string | Buffer)[] | undefined
  /** The certificate that Flotilla shows if Redis asks for one (`tls-auth-clients`). It needs `key`. */
  cert?: string | Buffer | undefined
  /** The private key of `cert`. */
  key?: string | Buffer | undefined
  /** The passphrase of `key`, if that is encrypted. */
  passphrase?: string | undefined
  /** The name that the certificate of every server must have, if it is not the host of its address. */
  servername?: string | undefined
  /**
   * False accepts every certificate, so that anybody on the way may read and change everything. Some hosts of Redis leave
   * no other choice. Default true.
   */
  rejectUnauthorized?: boolean | undefined
}

const NAMES = ['ca', 'cert', 'key', 'passphrase', 'servername', 'rejectUnauthorized']

/**
 * What every connection passes to `tls.connect`. The certificates are read once, because that takes longer than to
 * connect.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`, which never repeats a value: it may be a private key
 */
export function secureOptions(options: RedisTlsOptions): ConnectionOptions {
  checkNames('tls', options, NAMES)
  const { ca, cert, key, passphrase, servername, rejectUnauthorized } = options
  for (const one of listOf(ca)) checkPem('ca', one)
  checkPair(options)
  if (servername !== undefined && (typeof servername !== 'string' || servername === ''))
    throw badTls('servername', 'give the name in the certificate of the server')
  if (rejectUnauthorized !== undefined && typeof rejectUnauthorized !== 'boolean')
    throw badTls('rejectUnauthorized', 'give true or false')
  return {
    secureContext: contextOf({
      ...(ca !== undefined && { ca: [...listOf(ca)] }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(passphrase !== undefined && { passphrase }),
    }),
    ...(servername !== undefined && { servername }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
  }
}

/** OpenSSL refuses more than what is no PEM: keys that are too short, and chains with a flaw further down. */
function contextOf(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(options)
  } catch (error) {
    throw badTls('cert', `give another certificate and key, because OpenSSL does not take these (${codeOf(error)})`)
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code)
}

function checkPair({ cert, key, passphrase }: RedisTlsOptions): void {
  if (passphrase !== undefined && (typeof passphrase !== 'string' || key === undefined))
    throw badTls('passphrase', 'give it as a text, together with the key that it opens')
  if (cert === undefined && key === undefined) return
  if (key === undefined) throw badTls('cert', 'give tls.key as well, its private key in PEM')
  if (cert === undefined) throw badTls('key', 'give tls.cert as well, its certificate in PEM')
  const certificate = checkPem('cert', cert)
  if (!certificate.checkPrivateKey(readKey(key, passphrase)))
    throw badTls(
      'key',
      'this is the private key of another certificate than tls.cert: give the two that belong together',
    )
}

/** Node itself would ignore an authority that it cannot read. */
function checkPem(name: 'ca' | 'cert', value: unknown): X509Certificate {
  try {
    if (String(value).includes('-----BEGIN')) return new X509Certificate(value as string)
  } catch {}
  throw badTls(name, 'give a certificate in PEM, which is the content of its file, not the path')
}

function readKey(key: string | Buffer, passphrase: string | undefined): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey({ key, format: 'pem', ...(passphrase !== undefined && { passphrase }) })
  } catch {
    throw badTls('key', 'give a private key in PEM, which is the content of its file, and its passphrase if it has one')
  }
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}

function badTls(name: string, what: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `tls.${name}: ${what}`)
}
