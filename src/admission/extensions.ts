interface Extension {
  readonly name: string
  readonly params: readonly (readonly [name: string, value: string | undefined])[]
}

const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
const OWS = '[ \\t]*'
/** A quoted value holds a token as well, so that no comma or semicolon can be in one. */
const PARAM = `${OWS};${OWS}(${TCHAR}+)(?:${OWS}=${OWS}(?:(${TCHAR}+)|"((?:\\\\?${TCHAR})+)"))?`
const EXTENSION = new RegExp(`^(${TCHAR}+)((?:${PARAM})*)$`)
const PARAMS = new RegExp(PARAM, 'g')

/** Browsers send 50 characters. A list of thousands takes milliseconds to read, and each handshake may bring one. */
const MAX_LENGTH = 1_024

/** What a Sec-WebSocket-Extensions header lists; undefined if it is malformed (RFC 6455 §9.1), or too long. */
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

/** The first offer of permessage-deflate that suits us, in its plainest form; the others are declined. */
export function acceptableDeflate(header: string): string | undefined {
  const offer = parseExtensions(header)?.find(suits)
  return offer && [offer.name, ...offer.params.map(format)].join('; ')
}

/** RFC 7692 §7.1: an offer with a parameter that is unknown, doubled, or of a wrong value is declined. */
function suits({ name, params }: Extension): boolean {
  if (name !== 'permessage-deflate') return false
  if (new Set(params.map(([name]) => name)).size < params.length) return false
  return params.every(([name, value]) => RULES.get(name)?.(value) ?? false)
}

const RULES = new Map<string, (value: string | undefined) => boolean>([
  ['server_no_context_takeover', (value) => value === undefined],
  ['client_no_context_takeover', (value) => value === undefined],
  // Only the largest window: a message is compressed once for everyone.
  ['server_max_window_bits', (value) => value === '15'],
  ['client_max_window_bits', (value) => value === undefined || /^(?:[89]|1[0-5])$/.test(value)],
])

function format([name, value]: Extension['params'][number]): string {
  return value === undefined ? name : `${name}=${value}`
}
