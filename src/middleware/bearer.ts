/** What a client offers to prove who it is, and the subprotocol to answer with. */
export interface Offer {
  readonly token: string | undefined
  readonly protocol: typeof PROTOCOL | undefined
}

/** Answered where the client offers it; what a token travels with must never come back. */
const PROTOCOL = 'flotilla'
const TOKEN_PREFIX = 'token.'

/** `Authorization: Bearer`, then `?token=`, then the subprotocol `token.<jwt>`: the first that is there counts. */
export function readOffer({ url, headers }: Request): Offer {
  const protocols = (headers.get('sec-websocket-protocol') ?? '').split(',').map((protocol) => protocol.trim())
  const carried = protocols.find((protocol) => protocol.startsWith(TOKEN_PREFIX))
  const token =
    bearerOf(headers.get('authorization')) ??
    new URL(url).searchParams.get('token') ??
    carried?.slice(TOKEN_PREFIX.length)
  return { token, protocol: protocols.includes(PROTOCOL) ? PROTOCOL : undefined }
}

/** RFC 6750 §2.1; another scheme is not for us. */
function bearerOf(authorization: string | null): string | undefined {
  return /^bearer(?: +(.*))?$/i
    .exec(authorization ?? '')
    ?.slice(1)
    .map((token) => token ?? '')[0]
}
