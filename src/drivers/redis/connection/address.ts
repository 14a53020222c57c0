import { isIPv6 } from 'node:net'
import { FlotillaError } from '../../../errors.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface Credentials {
  readonly username?: string
  readonly password?: string
}

interface Common {
  readonly isTls: boolean
  /** The user and password of Redis itself. */
  readonly credentials: Credentials
}

/** Where Redis is, as its URL says it. */
export type Address =
  | (Common & { readonly type: 'single'; readonly endpoint: Endpoint; readonly db: number })
  | (Common & {
      readonly type: 'sentinel'
      readonly sentinels: readonly Endpoint[]
      readonly name: string
      readonly db: number
      /** The user and password of the sentinels, if they ask for any. */
      readonly sentinelCredentials: Credentials
    })
  | (Common & {
      readonly type: 'cluster'
      /** Some of the cluster's members. They name the others. */
      readonly members: readonly Endpoint[]
    })

type Kind = Address['type']

const REDIS_PORT = 6_379
const SENTINEL_PORT = 26_379
const FORMS: Readonly<Record<Kind, string>> = {
  single: 'redis://[user:password@]host:6379[/db]',
  sentinel: 'redis+sentinel://[user:password@]host:26379[,host:26379]/MASTER_NAME[/db]',
  cluster: 'redis+cluster://[user:password@]host:6379[,host:6379]',
}
const PARAMETERS: Readonly<Record<Kind, readonly string[]>> = {
  single: [],
  sentinel: ['sentinelUsername', 'sentinelPassword'],
  cluster: [],
}
/** The syntax of RFC 3986, except that there may be several hosts. */
const SHAPE =
  /^(?<scheme>rediss?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?<authority>[^/?#]*)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?(?<fragment>#.*)?$/is

/** An error never repeats any part of the URL: it may be a piece of a password that was not encoded. */
export function parseAddress(url: unknown): Address {
  const { scheme, kind: named = 'single', ...parts } = (typeof url === 'string' && SHAPE.exec(url)?.groups) || {}
  if (scheme === undefined)
    throw badUrl(`this is not the URL of a Redis: give ${FORMS.single}, ${FORMS.sentinel} or ${FORMS.cluster}`)
  const kind = named.toLowerCase() as Kind
  const form = FORMS[kind]
  const { authority = '', path = '', query = '', fragment } = parts
  if (fragment !== undefined || /@/.test(path + query))
    throw badUrl(`write / ? # and @ in a user or password as %2F %3F %23 and %40: ${form}`)
  const at = authority.lastIndexOf('@')
  const hosts = authority.slice(at + 1).split(',')
  const common = {
    isTls: scheme.toLowerCase() === 'rediss',
    credentials: at === -1 ? {} : credentialsIn(authority.slice(0, at), form),
  }
  const parameters = parametersIn(query, PARAMETERS[kind], form)
  const segments = path.split('/').slice(1)
  switch (kind) {
    case 'single': {
      if (hosts.length > 1) throw badUrl(`name only one host, or write ${FORMS.sentinel} or ${FORMS.cluster}`)
      return {
        type: kind,
        endpoint: endpointIn(hosts, REDIS_PORT, form)[0]!,
        db: databaseIn(segments, form),
        ...common,
      }
    }
    case 'sentinel': {
      const [name = '', ...rest] = segments
      if (name === '') throw badUrl(`give the name of the master after the hosts: ${form}`)
      return {
        type: kind,
        sentinels: endpointIn(hosts, SENTINEL_PORT, form),
        name: decode(name, form),
        db: databaseIn(rest, form),
        ...common,
        sentinelCredentials: some(parameters.get('sentinelUsername'), parameters.get('sentinelPassword')),
      }
    }
    case 'cluster': {
      if (databaseIn(segments, form) > 0)
        throw badUrl(`a cluster has only database 0, so leave the database out: ${form}`)
      return { type: kind, members: endpointIn(hosts, REDIS_PORT, form), ...common }
    }
    default:
      throw kind satisfies never
  }
}

/** The hosts and ports that the URL names. */
export function endpointsOf(address: Address): readonly Endpoint[] {
  switch (address.type) {
    case 'single':
      return [address.endpoint]
    case 'sentinel':
      return address.sentinels
    case 'cluster':
      return address.members
    default:
      throw address satisfies never
  }
}

/** For messages: says where Redis is, without the user and password. */
export function describeAddress(address: Address): string {
  const scheme = address.isTls ? 'rediss' : 'redis'
  switch (address.type) {
    case 'single':
      return `${scheme}://${hostsOf([address.endpoint])}/${address.db}`
    case 'sentinel':
      return `${scheme}+sentinel://${hostsOf(address.sentinels)}/${address.name}/${address.db}`
    case 'cluster':
      return `${scheme}+cluster://${hostsOf(address.members)}`
    default:
      throw address satisfies never
  }
}

/** Reads "host:port", in which an IPv6 address has no brackets. */
export function endpointOf(address: string): Endpoint {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}

function hostsOf(endpoints: readonly Endpoint[]): string {
  return endpoints.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',')
}

function endpointIn(hosts: readonly string[], defaultPort: number, form: string): Endpoint[] {
  return hosts.map((text, index) => {
    const [, literal, name, port = String(defaultPort)] =
      /^(?:\[([^\]]*)\]|([\p{L}\p{N}._-]+))(?::(\d{1,5}))?$/u.exec(text) ?? []
    const host = literal ?? name
    const isHost = host !== undefined && (literal === undefined || isIPv6(literal))
    if (isHost && Number(port) > 0 && Number(port) <= 65_535) return { host, port: Number(port) }
    const which = hosts.length === 1 ? 'the host' : `host ${index + 1} of ${hosts.length}`
    throw badUrl(`write ${which} as HOST, HOST:PORT or [IPv6]:PORT: ${form}`)
  })
}

function databaseIn(segments: readonly string[], form: string): number {
  const [db = '', ...more] = segments
  if (more.length === 0 && /^\d{0,10}$/.test(db)) return Number(db)
  throw badUrl(`the database must be a whole number, 0 or more, at the end of the path: ${form}`)
}

function credentialsIn(userinfo: string, form: string): Credentials {
  if (userinfo === '') return {}
  const colon = userinfo.indexOf(':')
  if (colon === -1) throw badUrl(`write a colon before the password, even if there is no user (:password@): ${form}`)
  return some(decode(userinfo.slice(0, colon), form), decode(userinfo.slice(colon + 1), form))
}

function some(username: string | undefined, password: string | undefined): Credentials {
  return { ...(username && { username }), ...(password && { password }) }
}

function parametersIn(query: string, known: readonly string[], form: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  if (query === '') return found
  for (const [index, part] of query.split('&').entries()) {
    const [name = '', ...rest] = part.split('=')
    if (!known.includes(name)) {
      const others = known.length === 0 ? 'which takes none' : `which takes only ${known.join(' and ')}`
      throw badUrl(`parameter ${index + 1} is unknown in this URL, ${others}: ${form}`)
    }
    const value = decode(rest.join('='), form)
    if (value === '' || found.has(name)) throw badUrl(`give ?${name}= once, with a value`)
    found.set(name, value)
  }
  return found
}

function decode(text: string, form: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw badUrl(`write % as %25: ${form}`)
  }
}

function badUrl(what: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `url: ${what}`)
}
