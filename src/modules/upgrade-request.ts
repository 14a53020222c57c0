/** An upgrade request, from which a `Request` is built once a hook asks for one. */
export interface UpgradeRequest {
  /** The request target in origin form: path and query (RFC 9112 §3.2.1). */
  readonly url: string
  readonly rawHeaders: readonly string[]
}

/** Bytes of the upgrade request that a connection keeps, with its path. A browser's request is far smaller. */
const MAX_KEPT = 4_096

/** The part of its upgrade request that a connection keeps for as long as it lives. */
export class KeptRequest implements UpgradeRequest {
  readonly #path: string
  /** The query, then header names and values in turn, one a line: less memory than a list of strings. */
  readonly #rest: string

  /** @param path of the URL. The connection holds that string anyway, so it costs no further memory. */
  constructor(path: string, { url, rawHeaders }: UpgradeRequest) {
    const query = url.slice(path.length)
    const rest = join(query, rawHeaders)
    const excess = path.length + rest.length - MAX_KEPT
    this.#path = path
    this.#rest = excess > 0 ? shorten(query, rawHeaders, excess) : rest
  }

  get url(): string {
    return this.#path + this.#rest.split('\n', 1)[0]
  }

  get rawHeaders(): readonly string[] {
    return this.#rest.split('\n').slice(1)
  }
}

/** Builds a `Request` (WHATWG Fetch). Its host is whatever the client sent, so it proves nothing. */
export function toRequest(request: UpgradeRequest): Request {
  const { rawHeaders } = request
  const headers: [string, string][] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2)
    headers.push([rawHeaders[index]!, rawHeaders[index + 1]!])
  return new Request(toUrl(request), { headers })
}

/** Its path is the request's, byte for byte, whatever the host is: access rules see the path that the router saw. */
export function toUrl({ url, rawHeaders }: UpgradeRequest): URL {
  try {
    return new URL(`http://${hostIn(rawHeaders)}${url}`)
  } catch {
    return new URL(`http://localhost${url}`)
  }
}

function join(query: string, rawHeaders: readonly string[]): string {
  return [query, ...rawHeaders].join('\n')
}

/** Drops the longest headers and query parameters until the text is shorter by at least `excess`. */
function shorten(query: string, rawHeaders: readonly string[], excess: number): string {
  const parameters = query.slice(1).split('&')
  const headers = pairsOf(rawHeaders)
  const dropped = new Set<string | Header>()
  let rest = excess
  for (const piece of [...parameters, ...headers].toSorted((a, b) => lengthOf(b) - lengthOf(a))) {
    if (rest <= 0) break
    dropped.add(piece)
    rest -= lengthOf(piece)
  }
  const kept = parameters.filter((parameter) => !dropped.has(parameter)).join('&')
  return join(kept === '' ? '' : `?${kept}`, headers.filter((header) => !dropped.has(header)).flat())
}

type Header = readonly [name: string, value: string]

/** The length of a header or parameter, with its separators. */
function lengthOf(piece: string | Header): number {
  return typeof piece === 'string' ? piece.length + 1 : piece[0].length + piece[1].length + 2
}

function pairsOf(rawHeaders: readonly string[]): Header[] {
  return Array.from({ length: rawHeaders.length / 2 }, (_, at) => [rawHeaders[2 * at]!, rawHeaders[2 * at + 1]!])
}

function hostIn(rawHeaders: readonly string[]): string {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() === 'host') return rawHeaders[index + 1]!
  }
  return 'localhost'
}
