import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from '../../test/support/redis.ts'
import { type RedisCluster, startCluster } from '../../test/support/redis-cluster.ts'
import { type SentinelTrio, startSentinels } from '../../test/support/redis-sentinel.ts'
import type { StoreKind } from '../faults/fault.ts'

const DEBUG = ['--enable-debug-command', 'local']
/** What it answered is on its disk, and there after a kill. */
const KEEP_ALL = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always']

export interface Store {
  readonly url: string
  /** Where it is one server that a line can stand before. */
  readonly port?: number
  stop(): Promise<void>
}

export function startStore(kind: StoreKind): Promise<Store> {
  switch (kind) {
    case 'single':
      return SingleStore.start()
    case 'sentinel':
      return SentinelStore.start()
    case 'cluster':
      return ClusterStore.start()
    default:
      throw kind satisfies never
  }
}

/** One Redis that keeps all that it has answered. */
export class SingleStore implements Store {
  readonly server: RedisServer

  private constructor(server: RedisServer) {
    this.server = server
  }

  static async start(): Promise<SingleStore> {
    return new SingleStore(await startRedis([...KEEP_ALL, ...DEBUG]))
  }

  get url(): string {
    return this.server.url
  }

  get port(): number {
    return this.server.port
  }

  async command(name: string, ...args: string[]): Promise<unknown> {
    const redis = new Redis({ port: this.port, host: '127.0.0.1', retryStrategy: null })
    try {
      return await redis.call(name, ...args)
    } finally {
      redis.disconnect()
    }
  }

  stop(): Promise<void> {
    return this.server.stop()
  }
}

/** A master and a replica that three sentinels watch. */
export class SentinelStore implements Store {
  readonly trio: SentinelTrio

  private constructor(trio: SentinelTrio) {
    this.trio = trio
  }

  static async start(): Promise<SentinelStore> {
    return new SentinelStore(await startSentinels())
  }

  get url(): string {
    return this.trio.url
  }

  stop(): Promise<void> {
    return this.trio.stop()
  }
}

/** A Redis Cluster of three masters with a replica each. */
export class ClusterStore implements Store {
  readonly cluster: RedisCluster

  private constructor(cluster: RedisCluster) {
    this.cluster = cluster
  }

  static async start(): Promise<ClusterStore> {
    return new ClusterStore(await startCluster())
  }

  get url(): string {
    return this.cluster.url
  }

  stop(): Promise<void> {
    return this.cluster.stop()
  }
}
