import type { Redis, RedisOptions } from 'ioredis'
import type { DriverSettings } from '../../driver.ts'
import { scripts, type ScriptCommands } from '../scripts/scripts.ts'
import { type Address, type Credentials, type Endpoint, endpointOf } from './address.ts'
import { ClusterRouter } from './cluster-router.ts'
import { Link } from './link.ts'
import { AddressBook } from './nat-map.ts'
import type { Store } from './store.ts'

export type Commands = Redis & ScriptCommands

const MAX_RECONNECT_DELAY = 1_000
/** ms for one attempt to connect, and for a server to close its end: neither may use up the time of a caller. */
const CONNECT_WITHIN = 2_000
const GOODBYE_WITHIN = 100
const ASK_SENTINEL_WITHIN = 1_000

/** Makes a connection. The first command, or `connect`, opens it. */
export function connect(store: Store, settings: DriverSettings, role: string, socketTimeout: number): Commands {
  const { address, book = new AddressBook() } = store
  const options = { ...optionsOf(`${settings.prefix}:${role}`, socketTimeout), ...accessOptions(store) }
  switch (address.type) {
    case 'single':
      // While Redis is loading, commands should be refused with LOADING rather than get no answer.
      return new Link({
        ...options,
        ...address.endpoint,
        db: address.db,
        enableReadyCheck: false,
      }) as unknown as Commands
    case 'sentinel':
      return new Link({ ...options, ...throughSentinels(address, book) }, (sentinel, more) =>
        connectToSentinel(store, address.sentinelCredentials, sentinel, more),
      ) as unknown as Commands
    case 'cluster':
      return new ClusterRouter(address.members, options, book) as unknown as Commands
    default:
      throw address satisfies never
  }
}

/** Makes a connection to one member of a cluster, for a reader that follows a slot by itself. */
export function connectMember(
  store: Store,
  { host, port }: Endpoint,
  settings: DriverSettings,
  role: string,
  socketTimeout: number,
): Redis {
  return new Link({ ...optionsOf(`${settings.prefix}:${role}`, socketTimeout), ...accessOptions(store), host, port })
}

function optionsOf(connectionName: string, socketTimeout: number): RedisOptions {
  return {
    connectionName,
    lazyConnect: true,
    // RESP2 gives replies the same shapes as Redis 6.2 does.
    protocol: 2,
    // Invariant K2: ioredis sends nothing again by itself, because that would be doubled, or overtake.
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    // Otherwise commands whose connection was lost would stay unanswered for ever.
    maxRetriesPerRequest: 0,
    socketTimeout,
    connectTimeout: CONNECT_WITHIN,
    disconnectTimeout: GOODBYE_WITHIN,
    maxLoadingRetryTime: MAX_RECONNECT_DELAY,
    retryStrategy: (times) => Math.min(2 ** Math.min(times, 10) * 10, MAX_RECONNECT_DELAY) * (0.75 + Math.random() / 4),
    scripts,
  }
}

type SentinelAddress = Extract<Address, { type: 'sentinel' }>

function throughSentinels({ sentinels, name, db, isTls }: SentinelAddress, book: AddressBook): RedisOptions {
  return {
    sentinels: sentinels.map((sentinel) => ({ ...sentinel })),
    name,
    db,
    natMap: (named) => book.outsideOf(endpointOf(named)),
    ...(isTls && { enableTLSForSentinelMode: true }),
    // A master that hung and was replaced does not say so, but the sentinels do.
    failoverDetector: true,
  }
}

function connectToSentinel(store: Store, credentials: Credentials, sentinel: Endpoint, more: RedisOptions): Redis {
  return new Link({
    ...sentinel,
    ...accessOptions(store, credentials),
    protocol: 2,
    enableReadyCheck: false,
    retryStrategy: () => null,
    connectTimeout: CONNECT_WITHIN,
    disconnectTimeout: GOODBYE_WITHIN,
    commandTimeout: ASK_SENTINEL_WITHIN,
    ...more,
  })
}

function accessOptions({ address, tls }: Store, credentials: Credentials = address.credentials): RedisOptions {
  return { ...credentials, ...(address.isTls && { tls: tls ?? {} }) }
}
