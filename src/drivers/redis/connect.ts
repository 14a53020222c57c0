import { Redis, type RedisOptions } from 'ioredis'
import type { DriverSettings } from '../driver.ts'
import type { Address } from './address.ts'
import { ClusterRouter } from './cluster-router.ts'
import { scripts, type ScriptCommands } from './scripts.ts'

export type Commands = Redis & ScriptCommands

const MAX_RECONNECT_DELAY = 1_000
/** ms for one attempt, and for a server that is left to say goodbye: neither may use up what a caller waits for. */
const CONNECT_WITHIN = 2_000
const GOODBYE_WITHIN = 100
const ASK_SENTINEL_WITHIN = 1_000

/** Opens nothing yet: the first command, or `connect`, does. */
export function connect(address: Address, settings: DriverSettings, role: string, socketTimeout: number): Commands {
  const options = optionsOf(`${settings.prefix}:${role}`, socketTimeout)
  switch (address.type) {
    case 'single':
      // Commands say better than silence that it is still loading.
      return new Redis(address.url, { ...options, enableReadyCheck: false }) as Commands
    case 'sentinel':
      return new Redis({ ...options, ...throughSentinels(address) }) as Commands
    case 'cluster':
      return new ClusterRouter(address.members, { ...options, ...inCluster(address) }) as unknown as Commands
    default:
      throw address satisfies never
  }
}

/** To one member of a cluster, for a reader that follows a slot itself. */
export function connectMember(
  address: Extract<Address, { type: 'cluster' }>,
  { host, port }: { host: string; port: number },
  settings: DriverSettings,
  role: string,
  socketTimeout: number,
): Redis {
  return new Redis({ ...optionsOf(`${settings.prefix}:${role}`, socketTimeout), ...inCluster(address), host, port })
}

function optionsOf(connectionName: string, socketTimeout: number): RedisOptions {
  return {
    connectionName,
    lazyConnect: true,
    // RESP2 keeps the shapes of replies that Redis 6.2 gives.
    protocol: 2,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    // Without it, commands whose connection was lost would stay unanswered for ever.
    maxRetriesPerRequest: 0,
    socketTimeout,
    connectTimeout: CONNECT_WITHIN,
    disconnectTimeout: GOODBYE_WITHIN,
    maxLoadingRetryTime: MAX_RECONNECT_DELAY,
    retryStrategy: (times) => Math.min(2 ** Math.min(times, 10) * 10, MAX_RECONNECT_DELAY) * (0.75 + Math.random() / 4),
    scripts,
  }
}

function throughSentinels(address: Extract<Address, { type: 'sentinel' }>): RedisOptions {
  const { sentinels, name, db, isTls, credentials, sentinelCredentials } = address
  const { username, password } = sentinelCredentials
  return {
    sentinels: sentinels.map((sentinel) => ({ ...sentinel })),
    name,
    db,
    ...credentials,
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(isTls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }),
    // A master that stood still and was replaced says nothing: the sentinels do.
    failoverDetector: true,
    sentinelCommandTimeout: ASK_SENTINEL_WITHIN,
  }
}

function inCluster({ credentials, isTls }: Extract<Address, { type: 'cluster' }>): RedisOptions {
  return { ...credentials, ...(isTls && { tls: {} }) }
}
