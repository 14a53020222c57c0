/** Why a connection to Redis did not come about, before Redis itself said anything. */
export interface Fault {
  /** What is wrong, and what a person can do about it. */
  readonly advice: string
  /** Something is configured wrong: waiting does not help. */
  readonly lasts?: true
}

const UNTRUSTED: Fault = {
  advice:
    "the certificate of Redis comes from an authority that is not trusted here: give that authority's certificate as tls.ca",
  lasts: true,
}
const NO_WAY: Fault = {
  advice: 'no network leads to this address: correct the host in the URL, or look at the network of this machine',
}
const CLIENT_REFUSED: Fault = {
  advice: 'Redis does not accept the certificate in tls.cert: give one from an authority that Redis trusts',
  lasts: true,
}

const CUT_OFF: Fault = {
  advice:
    'the TLS connection to Redis breaks off: read the log of Redis, and of the proxy in front of it, if there is one',
}

/** By the code of the error (Node.js: Errors; OpenSSL: verify(1)). */
const BY_CODE: Readonly<Record<string, Fault>> = {
  ECONNREFUSED: {
    advice: 'nothing listens at this address: start Redis there, or correct the host and port in the URL',
  },
  ENOTFOUND: { advice: 'no host has this name: correct the host in the URL' },
  EAI_AGAIN: {
    advice: 'the name of this host cannot be looked up: correct it in the URL, or look at the DNS of this machine',
  },
  ETIMEDOUT: {
    advice: 'nobody answers at this address: correct the host and port in the URL, or open the firewall',
  },
  EHOSTUNREACH: NO_WAY,
  ENETUNREACH: NO_WAY,
  CERT_UNTRUSTED: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  INVALID_CA: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  CERT_HAS_EXPIRED: {
    advice: 'the certificate of Redis has expired: renew it, or set the clock of this machine right',
    lasts: true,
  },
  CERT_NOT_YET_VALID: {
    advice: 'the certificate of Redis is not valid yet: set the clock of this machine right, or renew it',
    lasts: true,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    advice:
      'the certificate of Redis does not have the host of the URL: write a host that it has, or give one of its names as tls.servername',
    lasts: true,
  },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    advice: 'the server at this address does not speak TLS: write redis:// in the URL without TLS options',
    lasts: true,
  },
}

/** By the alert with which Redis ended the TLS connection (RFC 8446 §6, RFC 5246 §7.2). */
const BY_ALERT: Readonly<Record<string, Fault>> = {
  CERTIFICATE_REQUIRED: { advice: 'Redis asks for a certificate: give tls.cert and tls.key', lasts: true },
  HANDSHAKE_FAILURE: {
    advice:
      'Redis ends the TLS handshake: give tls.cert and tls.key if it asks for a certificate, or look at the ciphers that it takes',
    lasts: true,
  },
  UNKNOWN_CA: CLIENT_REFUSED,
  ACCESS_DENIED: CLIENT_REFUSED,
  BAD_CERTIFICATE: CLIENT_REFUSED,
  CERTIFICATE_EXPIRED: CLIENT_REFUSED,
  CERTIFICATE_REVOKED: CLIENT_REFUSED,
  CERTIFICATE_UNKNOWN: CLIENT_REFUSED,
  UNSUPPORTED_CERTIFICATE: CLIENT_REFUSED,
  BAD_RECORD_MAC: CUT_OFF,
  INTERNAL_ERROR: CUT_OFF,
  USER_CANCELLED: CUT_OFF,
}

const TLS_FAILED: Fault = {
  advice: 'no TLS connection to Redis comes about: look at the versions of TLS that Redis takes',
  lasts: true,
}

const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'])

export function faultOf(error: Error): Fault | undefined {
  const code = codeOf(error)
  return BY_CODE[code] ?? BY_ALERT[alertIn(code) ?? ''] ?? (/^(ERR_SSL_|EPROTO$)/.test(code) ? TLS_FAILED : undefined)
}

/**
 * The name of the alert in a code: ERR_SSL_TLSV1_ALERT_…, or ERR_SSL_SSLV3_ALERT_…, for which newer versions of OpenSSL
 * say ERR_SSL_SSL/TLS_ALERT_….
 */
export function alertIn(code: string): string | undefined {
  return /^ERR_SSL_.+_ALERT_(\w+)$/.exec(code)?.[1]
}

/** Whether no server was reached at all. */
export function isUnreachable(error: Error): boolean {
  return UNREACHABLE.has(codeOf(error))
}

/** Whether the server answered a TLS handshake with something else. */
export function isNoTls(error: Error): boolean {
  return codeOf(error) === 'ERR_SSL_WRONG_VERSION_NUMBER'
}

/** For people: Node leaves out the message if a host has several addresses, and OpenSSL says it in its own language. */
export function messageOf(error: Error): string {
  if (codeOf(error).startsWith('ERR_SSL_')) return codeOf(error)
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map((one: unknown) => (one instanceof Error ? one.message : String(one))).join(', ')
  return error.message
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : ''
}
