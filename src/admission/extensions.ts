interface Extension {
  readonly name: string
  readonly params: readonly (readonly [name: string, value: string | undefined])[]
}

const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
const OWS = '[ \\t]*'
/** A quoted value must be a token, too (RFC 6455 §9.1), so it cannot contain a comma or a semicolon. */
const PARAM = `${OWS};${OWS}(${TCHAR}+)(?:${OWS}=${OWS}(?:(${TCHAR}+)|"((?:\\\\?${TCHAR})+)"))?`
const EXTENSION = new RegExp(`^(${TCHAR}+)((?:${PARAM})*)$`)
const PARAMS = new RegExp(PARAM, 'g')

/**
 * Browsers send about 50 characters. Thousands of extensions take milliseconds to parse, and every handshake may list
 * them.
 */
const MAX_LENGTH = 1_024

/** Parses a Sec-WebSocket-Extensions header. Undefined if it is malformed (RFC 6455 §9.1) or too long. */
export function parseExtensions(header: string): Extension[] | undefined {
  if (header.length > MAX_LENGTH) return undefined
  const extensions: Extension[] = []
  for (const element of header.split(',').map((element) => element.trim())) {
    // RFC 9110 §5.6.1.2: a recipient ignores empty elements of a list.
    if (element === '') continue
    const [, name, params] = EXTENSION.exec(element) ?? []
    if (name === undefined || params === undefined) return undefined
    extensions.push({ name, params: [...params.matchAll(PARAMS)].map(parseParam) })
  }
  return extensions.length > 0 ? extensions : undefined
}

function parseParam([, name = '', token, quoted]: RegExpMatchArray): [name: string, value: string | undefined] {
  return [name, token ?? quoted?.replaceAll('\\', '')]
}

/**
 * The first offer of permessage-deflate that the server accepts, in its plainest spelling. The other offers are
 * declined.
 */
export function acceptableDeflate(header: string): string | undefined {
  const offer = parseExtensions(header)?.find(suits)
  return offer && [offer.name, ...offer.params.map(format)].join('; ')
}

/** RFC 7692 §7.1: the server declines an offer if a parameter is unknown, appears twice, or has a wrong value. */
function suits({ name, params }: Extension): boolean {
  if (name !== 'permessage-deflate') return false
  if (new Set(params.map(([name]) => name)).size < params.length) return false
  return params.every(([name, value]) => RULES.get(name)?.(value) ?? false)
}

const RULES = new Map<string, (value: string | undefined) => boolean>([
  ['server_no_context_takeover', (value) => value === undefined],
  ['client_no_context_takeover', (value) => value === undefined],
  // A message is compressed once for everyone, so every client must accept the largest window.
  ['server_max_window_bits', (value) => value === '15'],
  ['client_max_window_bits', (value) => value === undefined || /^(?:[89]|1[0-5])$/.test(value)],
])

function format([name, value]: Extension['params'][number]): string {
  return value === undefined ? name : `${name}=${value}`
}
