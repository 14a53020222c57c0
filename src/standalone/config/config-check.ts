import { parseAddress } from '../../drivers/redis/connection/address.ts'
import { optionTable } from '../../options.ts'
import { reasonOf, usageError } from '../common/cli-error.ts'
import { isLoopback } from '../common/loopback.ts'
import type { SettingKey, Settings, Source } from './settings.ts'

/** How a client proves who it is. */
export type TokenSource =
  | { readonly type: 'none' }
  | { readonly type: 'secret'; readonly secret: string; readonly issuer?: string; readonly audience?: string }
  | { readonly type: 'jwks'; readonly jwks: string; readonly issuer: string; readonly audience: string }

export type Listen =
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  | { readonly type: 'unix'; readonly path: string }

export type Store = { readonly type: 'memory'; readonly isolated: boolean } | RedisStore

/** Where Redis is, and the paths of the files that TLS needs. */
export interface RedisStore {
  readonly type: 'redis'
  readonly url: string
  readonly durability?: 'memory' | 'replicated'
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
  readonly natMap?: Readonly<Record<string, string>>
}

/** The checked settings. They fit together, and those that the command itself needs have their defaults. */
export interface Config extends Omit<Settings, Gathered | 'modules'> {
  readonly listen: Listen
  readonly store: Store
  readonly tokens: TokenSource
  readonly modules: readonly (string | object)[]
  readonly maxPayload: number
  readonly connectTimeout: number
  readonly logLevel: NonNullable<Settings['logLevel']>
  readonly dev: boolean
  readonly metricsOpen: boolean
  readonly echo: boolean
  readonly daemon: boolean
  /** ms */
  readonly drainDelay: number
  /** The names of environment variables that look like settings and are none. */
  readonly ignoredVariables: readonly string[]
}

/** In ms: load balancers ask about once a second whether a node is ready, and take it out after the second or third no. */
const DRAIN_DELAY = 3_000
/** The flags that only a Redis has a use for. */
const REDIS_FLAGS = {
  durability: 'durability',
  redisCa: 'redis-ca',
  redisCert: 'redis-cert',
  redisKey: 'redis-key',
  redisServername: 'redis-servername',
  redisNatMap: 'redis-nat-map',
} as const satisfies Partial<Record<SettingKey, string>>

/** The settings that `Config` has in `listen`, `store` and `tokens` instead. */
const GATHERED = [
  'host',
  'port',
  'unix',
  'driver',
  'redis',
  'isolated',
  ...(Object.keys(REDIS_FLAGS) as (keyof typeof REDIS_FLAGS)[]),
  'tokenSecret',
  'jwks',
  'tokenIssuer',
  'tokenAudience',
] as const
type Gathered = (typeof GATHERED)[number]

type SourceOf = (key: SettingKey) => Source | undefined

export function checkConfig(settings: Settings, sourceOf: SourceOf): Omit<Config, 'ignoredVariables'> {
  const dev = settings.dev ?? false
  const config = {
    ...withoutGathered(settings),
    listen: listenOf(settings, sourceOf),
    store: storeOf(settings, sourceOf),
    tokens: tokensOf(settings, dev),
    modules: settings.modules ?? [],
    maxPayload: settings.maxPayload ?? optionTable.maxPayload.default,
    connectTimeout: settings.connectTimeout ?? optionTable.connectTimeout.default,
    logLevel: settings.logLevel ?? 'info',
    dev,
    metricsOpen: settings.metricsOpen ?? false,
    echo: settings.echo ?? dev,
    daemon: settings.daemon ?? false,
    drainDelay: settings.drainDelay ?? (dev ? 0 : DRAIN_DELAY),
  }
  checkLease(settings)
  checkLag(settings)
  checkTls(settings)
  return config
}

function withoutGathered(settings: Settings): Omit<Settings, Gathered> {
  const rest = { ...settings }
  for (const key of GATHERED) delete rest[key]
  return rest
}

function listenOf(settings: Settings, sourceOf: SourceOf): Listen {
  const { unix, host = '127.0.0.1', port = 18_308 } = settings
  if (unix !== undefined && isSocketMeant(settings, sourceOf)) {
    checkNoAddresses(settings)
    return { type: 'unix', path: unix }
  }
  if (settings.dev === true && !isLoopback(host)) {
    throw usageError(
      `--dev lets anyone be anyone: --host takes a loopback address with it, such as 127.0.0.1, not "${host}"`,
    )
  }
  return { type: 'tcp', host, port }
}

/** If both a socket and an address are given, the one from the stronger source counts. */
function isSocketMeant(settings: Settings, sourceOf: SourceOf): boolean {
  const bySocket = rankOf('unix', sourceOf)
  const given = (['host', 'port'] as const).filter((key) => settings[key] !== undefined)
  const same = given.find((key) => rankOf(key, sourceOf) === bySocket)
  if (same !== undefined) throw usageError(`--unix and --${same} cannot be used together: leave one of them out`)
  return given.every((key) => rankOf(key, sourceOf) < bySocket)
}

/** Clients of a Unix socket have no address. */
function checkNoAddresses({ maxConnectionsPerIp, maxMessagesPerSecondPerIp, trustProxy }: Settings): void {
  const why = 'has no effect with --unix, whose clients have no address: leave it out'
  if (maxConnectionsPerIp) throw usageError(`--max-connections-per-ip ${why}`)
  if (maxMessagesPerSecondPerIp) throw usageError(`"maxMessagesPerSecondPerIp" ${why}`)
  if (trustProxy !== undefined) throw usageError(`--trust-proxy ${why}`)
}

const rank: Record<Source, number> = { file: 1, environment: 2, flag: 3 }

function rankOf(key: SettingKey, sourceOf: SourceOf): number {
  return rank[sourceOf(key) ?? 'file']
}

function storeOf(settings: Settings, sourceOf: SourceOf): Store {
  const store = placeOf(settings, sourceOf)
  if (store.type === 'redis') {
    if (settings.isolated === true)
      throw usageError('--isolated needs the memory driver: on Redis, all workers are one cluster')
    return withMore(store, settings)
  }
  const given = Object.entries(REDIS_FLAGS).find(([key]) => settings[key as SettingKey] !== undefined)
  if (given !== undefined) throw usageError(`--${given[1]} needs --redis, the URL of Redis: give it as well`)
  return store
}

function withMore(store: RedisStore, settings: Settings): Store {
  const { durability, redisCa, redisCert, redisKey, redisServername, redisNatMap } = settings
  if (redisCert !== undefined && redisKey === undefined)
    throw usageError('--redis-cert needs --redis-key, the private key in PEM')
  if (redisKey !== undefined && redisCert === undefined)
    throw usageError('--redis-key needs --redis-cert, the certificate in PEM')
  return {
    ...store,
    ...(durability !== undefined && { durability }),
    ...(redisCa !== undefined && { ca: redisCa }),
    ...(redisCert !== undefined && { cert: redisCert }),
    ...(redisKey !== undefined && { key: redisKey }),
    ...(redisServername !== undefined && { servername: redisServername }),
    ...(redisNatMap !== undefined && { natMap: redisNatMap }),
  }
}

function placeOf({ driver, redis, isolated = false }: Settings, sourceOf: SourceOf): Store {
  if (driver === 'nats') throw usageError('--driver takes memory or redis; nats comes later')
  const url = redis ?? 'redis://127.0.0.1:6379'
  checkAddress(url)
  if (driver === 'redis') return { type: 'redis', url }
  if (redis === undefined) return { type: 'memory', isolated }
  if (driver === undefined) return { type: 'redis', url }
  const byDriver = rankOf('driver', sourceOf)
  const byUrl = rankOf('redis', sourceOf)
  if (byDriver === byUrl) throw usageError('--driver memory and --redis cannot be used together: leave one of them out')
  return byUrl > byDriver ? { type: 'redis', url } : { type: 'memory', isolated }
}

function checkAddress(url: string): void {
  try {
    parseAddress(url)
  } catch (error) {
    throw usageError(`--redis: ${reasonOf(error).replace(/^url: /, '')}`)
  }
}

function tokensOf(settings: Settings, dev: boolean): TokenSource {
  const { tokenSecret: secret, jwks, tokenIssuer: issuer, tokenAudience: audience } = settings
  if (secret !== undefined && jwks !== undefined) {
    throw usageError('--token-secret and --jwks cannot be used together: leave one of them out')
  }
  if (jwks !== undefined) {
    if (issuer === undefined) throw usageError('--jwks needs --token-issuer, the issuer that tokens must name')
    if (audience === undefined) throw usageError('--jwks needs --token-audience, the audience that tokens must name')
    return { type: 'jwks', jwks, issuer, audience }
  }
  if (secret !== undefined) {
    return {
      type: 'secret',
      secret,
      ...(issuer !== undefined && { issuer }),
      ...(audience !== undefined && { audience }),
    }
  }
  if (!dev) {
    throw usageError(
      'nobody could connect: give --token-secret, the secret that signs tokens, or --jwks, the URL of their keys (--dev needs neither)',
    )
  }
  checkNoClaims(settings)
  return { type: 'none' }
}

/** Refuses the settings about tokens if no token is ever checked. */
function checkNoClaims({ tokenIssuer, tokenAudience, groupsClaim, clockTolerance }: Settings): void {
  const flags = Object.entries({
    'token-issuer': tokenIssuer,
    'token-audience': tokenAudience,
    'groups-claim': groupsClaim,
    'clock-tolerance': clockTolerance,
  })
  const unused = flags.find(([, value]) => value !== undefined)
  if (unused !== undefined) throw usageError(`--${unused[0]} needs --token-secret or --jwks: give one of them as well`)
}

function checkLease(settings: Settings): void {
  const { heartbeat = optionTable.heartbeat.default, deadAfter = optionTable.deadAfter.default } = settings
  const least = heartbeat * 3
  if (deadAfter < least) {
    throw usageError(
      `--dead-after takes at least three heartbeats, so ${least} or more with --heartbeat ${heartbeat}, not ${deadAfter}`,
    )
  }
}

function checkLag({ maxLag = 0, deadAfter = optionTable.deadAfter.default }: Settings): void {
  if (maxLag === 0 || maxLag >= deadAfter) return
  throw usageError(`--max-lag takes 0, or at least --dead-after, which is ${deadAfter}, not ${maxLag}`)
}

function checkTls({ tlsCert, tlsKey }: Settings): void {
  if (tlsCert !== undefined && tlsKey === undefined)
    throw usageError('--tls-cert needs --tls-key, the private key in PEM')
  if (tlsKey !== undefined && tlsCert === undefined)
    throw usageError('--tls-key needs --tls-cert, the certificate in PEM')
}
