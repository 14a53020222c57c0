/** The token that a client sends to prove who it is, and the subprotocol to answer with. */
export interface Offer {
  readonly token: string | undefined
  readonly protocol: typeof PROTOCOL | undefined
}

/** The subprotocol to answer if the client offers it. The subprotocol that carries the token must never be answered. */
const PROTOCOL = 'flotilla'
const TOKEN_PREFIX = 'token.'

/**
 * Looks for the token in `Authorization: Bearer`, then in `?token=`, then in the subprotocol `token.<jwt>`. The first
 * one that is present counts.
 */
export function readOffer({ url, headers }: Request): Offer {
  const protocols = (headers.get('sec-websocket-protocol') ?? '').split(',').map((protocol) => protocol.trim())
  const carried = protocols.find((protocol) => protocol.startsWith(TOKEN_PREFIX))
  const token =
    bearerOf(headers.get('authorization')) ??
    new URL(url).searchParams.get('token') ??
    carried?.slice(TOKEN_PREFIX.length)
  return { token, protocol: protocols.includes(PROTOCOL) ? PROTOCOL : undefined }
}

/** RFC 6750 §2.1. Other schemes are ignored. */
function bearerOf(authorization: string | null): string | undefined {
  return /^bearer(?: +(.*))?$/i
    .exec(authorization ?? '')
    ?.slice(1)
    .map((token) => token ?? '')[0]
}
