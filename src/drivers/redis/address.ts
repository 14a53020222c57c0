import { FlotillaError } from '../../errors.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

interface Credentials {
  readonly username?: string
  readonly password?: string
}

/** Where Redis is, as its URL says it. */
export type Address =
  | { readonly type: 'single'; readonly url: string }
  | {
      readonly type: 'sentinel'
      readonly sentinels: readonly Endpoint[]
      readonly name: string
      readonly db: number
      readonly isTls: boolean
      /** Of Redis itself. */
      readonly credentials: Credentials
      /** Of the sentinels, where they ask for any. */
      readonly sentinelCredentials: Credentials
    }
  | {
      readonly type: 'cluster'
      /** Some of its members: they name the others. */
      readonly members: readonly Endpoint[]
      readonly isTls: boolean
      readonly credentials: Credentials
    }

const SENTINEL_PORT = 26_379
const REDIS_PORT = 6_379
const SHAPE =
  /^(?<scheme>rediss?)\+(?<kind>sentinel|cluster):\/\/(?:(?<user>[^@/?#]*)@)?(?<hosts>[^@/?#]+)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/
const SENTINEL_FORM = 'redis+sentinel://[user:password@]host:26379[,host:26379]/MASTER_NAME[/db]'
const CLUSTER_FORM = 'redis+cluster://[user:password@]host:6379[,host:6379]'

/** @throws FlotillaError `FLT_BAD_OPTION` that says what to write. */
export function parseAddress(url: string): Address {
  if (URL.canParse(url) && /^rediss?:$/.test(new URL(url).protocol)) return { type: 'single', url }
  const { scheme, kind, user, hosts, path = '', query = '' } = SHAPE.exec(url)?.groups ?? {}
  if (scheme === undefined) throw badUrl(`give redis://host:6379, ${SENTINEL_FORM} or ${CLUSTER_FORM}`)
  const isTls = scheme === 'rediss'
  const params = new URLSearchParams(query)
  if (kind === 'cluster') {
    if (path.length > 1) throw badUrl(`a cluster has no databases: end it after the last host, ${CLUSTER_FORM}`)
    checkParams(params, [])
    const credentials = credentialsOf(user, CLUSTER_FORM)
    return { type: 'cluster', members: endpoints(hosts!, REDIS_PORT, CLUSTER_FORM), isTls, credentials }
  }
  checkParams(params, ['sentinelUsername', 'sentinelPassword'])
  const [name = '', db = '0', ...more] = decode(path, SENTINEL_FORM).split('/').slice(1)
  if (name === '' || !/^\d+$/.test(db) || more.length > 0)
    throw badUrl(`name the master behind the hosts: ${SENTINEL_FORM}`)
  return {
    type: 'sentinel',
    sentinels: endpoints(hosts!, SENTINEL_PORT, SENTINEL_FORM),
    name,
    db: Number(db),
    isTls,
    credentials: credentialsOf(user, SENTINEL_FORM),
    sentinelCredentials: some(params.get('sentinelUsername'), params.get('sentinelPassword')),
  }
}

function endpoints(hosts: string, defaultPort: number, form: string): Endpoint[] {
  return hosts.split(',').map((text) => {
    const [, host, port] = /^(\[[\da-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/.exec(text) ?? []
    if (host === undefined || Number(port ?? defaultPort) > 65_535) throw badUrl(`"${text}" is no host: ${form}`)
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? defaultPort) }
  })
}

function credentialsOf(user: string | undefined, form: string): Credentials {
  if (user === undefined || user === '') return {}
  const colon = user.indexOf(':')
  if (colon === -1) throw badUrl(`the password stands behind a colon: ${form}`)
  return some(decode(user.slice(0, colon), form), decode(user.slice(colon + 1), form))
}

function some(username: string | null, password: string | null): Credentials {
  return { ...(username && { username }), ...(password && { password }) }
}

function checkParams(params: URLSearchParams, known: readonly string[]): void {
  for (const name of params.keys()) {
    if (known.includes(name)) continue
    throw badUrl(`?${name}= is not known here${known.length === 0 ? '' : `: there are ${known.join(' and ')}`}`)
  }
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
