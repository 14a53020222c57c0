import { FlotillaError } from '../../errors.ts'
import { checkNames } from '../../lib/checked-names.ts'
import { combined } from '../../lib/combined.ts'
import type { Driver, DriverSettings } from '../driver.ts'
import type { PushIds } from '../push-ids.ts'
import type { Queue } from '../queue.ts'
import type { State } from '../state.ts'
import { RedisBroadcasts } from './broadcasts.ts'
import { Cleaner } from './cleaner.ts'
import { parseAddress } from './connection/address.ts'
import { RedisClient } from './connection/client.ts'
import { AddressBook, type NatMap } from './connection/nat-map.ts'
import type { Store } from './connection/store.ts'
import { type RedisTlsOptions, secureOptions } from './connection/tls-options.ts'
import { RedisCursors } from './cursors.ts'
import { Epochs } from './epochs.ts'
import { RedisInboxes } from './inboxes.ts'
import { RedisIngress } from './ingress.ts'
import { Keys } from './keys.ts'
import { RedisLog, type RouteReader } from './log.ts'
import { locatedBy } from './lookups.ts'
import { RedisNodes } from './nodes.ts'
import { RedisParking } from './parking.ts'
import { RedisPushIds } from './push-ids.ts'
import { QueueHandle } from './queue-handle.ts'
import { type Durability, ReplicatedAppends } from './replicated-appends.ts'
import { RedisRoutes } from './routes.ts'

export type { NatMap, RedisTlsOptions }

export interface RedisDriverOptions {
  /**
   * `redis://[user:password@]host:port[/db]`, `redis+sentinel://…host:26379,host:26379/MASTER_NAME[/db]` or
   * `redis+cluster://…host:6379,host:6379`. With `rediss` instead of `redis`, over TLS.
   */
  url: string
  /**
   * The loss that a resolved push survives. With `replicated`, a push resolves once a replica has it, so it survives the
   * loss of the master. Default `memory`.
   */
  durability?: 'memory' | 'replicated' | undefined
  /** Certificates and names for TLS. With them, `redis://` means `rediss://`. */
  tls?: RedisTlsOptions | undefined
  /**
   * Where this process reaches the servers that sentinels or members of a cluster name, if it cannot reach them at the
   * addresses that they use among themselves, such as those of containers: `{ '10.0.0.5:6379': 'redis.example:7000' }`.
   */
  natMap?: NatMap | undefined
}

/**
 * State and Queue on Redis 6.2 or newer, alone, with Sentinel, or as Redis Cluster. It connects when a server or
 * emitter first needs it.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function redis(options: RedisDriverOptions): Driver {
  checkNames('redis', options, ['url', 'durability', 'tls', 'natMap'])
  const { durability = 'memory' } = options
  const store = storeOf(options)
  checkDurability(durability)
  return {
    state: (settings) => openState(store, settings, durability),
    queue: (settings) => openQueue(store, settings, durability),
  }
}

function storeOf({ url, tls, natMap }: RedisDriverOptions): Store {
  const address = parseAddress(url)
  const book = new AddressBook(natMap)
  if (natMap !== undefined && address.type === 'single') {
    const why = 'one server names no others: leave it out, or write redis+sentinel:// or redis+cluster:// in the URL'
    throw new FlotillaError('FLT_BAD_OPTION', `natMap: ${why}`)
  }
  if (tls === undefined) return { address, book, hasServed: false }
  return { address: { ...address, isTls: true }, tls: secureOptions(tls), book, hasServed: false }
}

function checkDurability(durability: Durability): void {
  if (durability === 'memory' || durability === 'replicated') return
  throw new FlotillaError('FLT_BAD_OPTION', 'durability: give memory or replicated')
}

function openState(store: Store, settings: DriverSettings, durability: Durability): State {
  const client = new RedisClient(store, settings, 'state')
  const handle = { client, keys: new Keys(settings.prefix), settings }
  const cleaner = new Cleaner(handle)
  const epochs = new Epochs(settings.heartbeat + 1_000)
  client.histories.onNew(() => epochs.doubt())
  const appends = durability === 'replicated' ? new ReplicatedAppends(store, settings) : client
  const hasInboxes = store.address.type !== 'cluster' && durability === 'memory'
  return combined(
    new RedisNodes(handle, epochs, cleaner),
    new RedisRoutes(handle, epochs, cleaner, { hasInboxes }),
    new RedisParking(handle),
    new RedisLog(handle, appends, locatedBy(epochs)),
    new RedisCursors(handle),
    {
      onLoss: (listener: () => void) => client.histories.onNew(listener),
      ping: async (timeout: number) => void (await client.run((redis) => redis.ping(), timeout)),
      close: async () => {
        client.close()
        appends.close()
      },
    },
  )
}

/** Everyone's route: the nodes that read broadcasts. */
const readersFound: RouteReader = (_, epoch, nodes) => ({ nodes, stamp: 0, settled: epoch !== '' })

function openQueue(store: Store, settings: DriverSettings, durability: Durability): Queue & PushIds {
  const handle = new QueueHandle(store, settings, durability)
  return combined(
    new RedisInboxes(handle),
    new RedisBroadcasts(handle),
    new RedisPushIds(handle),
    new RedisLog(handle, handle.appends, readersFound),
    {
      ingress: new RedisIngress(handle),
      flushAcks: () => handle.flushAcks(),
      close: () => handle.close(),
    },
  )
}
