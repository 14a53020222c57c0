import { Redis } from 'ioredis'
import { type RedisCluster, startCluster } from '../../../test/support/redis-cluster.ts'
import { type SentinelTrio, startSentinels } from '../../../test/support/redis-sentinel.ts'
import { type RedisServer, startRedis } from '../../../test/support/redis.ts'
import type { StoreKind } from '../store-kind.ts'
import { ClockOffset } from './clock-offset.ts'

const DEBUG = ['--enable-debug-command', 'local']
/** With these flags, everything that a Redis has acknowledged is on its disk and survives a kill. */
const KEEP_ALL = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always']

/** The offsets of the servers' wall clocks in ms, in turn. Servers beyond the end of the list have the right time. */
export type Clocks = readonly number[]

export interface Store {
  readonly url: string
  /** The port, if the store is a single server that a line can be put in front of. */
  readonly port?: number
  /** A connection to each server that is a master now. It rejects, or answers late, while a master is away. */
  masters(): Promise<readonly Redis[]>
  stop(): Promise<void>
}

export function startStore(kind: StoreKind, clocks: Clocks): Promise<Store> {
  switch (kind) {
    case 'single':
      return SingleStore.start()
    case 'sentinel':
      return SentinelStore.start(clocks)
    case 'cluster':
      return ClusterStore.start(clocks)
    default:
      throw kind satisfies never
  }
}

/** One Redis that keeps everything that it has acknowledged. */
export class SingleStore implements Store {
  readonly server: RedisServer
  readonly #lines = new Lines()

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

  async masters(): Promise<readonly Redis[]> {
    return [this.#lines.to(this.port)]
  }

  stop(): Promise<void> {
    this.#lines.close()
    return this.server.stop()
  }
}

/** A master and a replica, watched by three sentinels. */
export class SentinelStore implements Store {
  readonly trio: SentinelTrio
  readonly #lines = new Lines()
  readonly #offset: ClockOffset | undefined

  private constructor(trio: SentinelTrio, offset: ClockOffset | undefined) {
    this.trio = trio
    this.#offset = offset
  }

  static async start(clocks: Clocks): Promise<SentinelStore> {
    const { environments, offset } = setOff(clocks)
    return new SentinelStore(await startSentinels([], environments), offset)
  }

  get url(): string {
    return this.trio.url
  }

  async masters(): Promise<readonly Redis[]> {
    return [this.#lines.to(await this.trio.masterPort())]
  }

  async stop(): Promise<void> {
    this.#lines.close()
    await this.trio.stop()
    this.#offset?.remove()
  }
}

/** A Redis Cluster of three masters with a replica each. */
export class ClusterStore implements Store {
  readonly cluster: RedisCluster
  readonly #offset: ClockOffset | undefined

  private constructor(cluster: RedisCluster, offset: ClockOffset | undefined) {
    this.cluster = cluster
    this.#offset = offset
  }

  static async start(clocks: Clocks): Promise<ClusterStore> {
    const { environments, offset } = setOff(clocks)
    return new ClusterStore(await startCluster([], { environments }), offset)
  }

  get url(): string {
    return this.cluster.url
  }

  masters(): Promise<readonly Redis[]> {
    return this.cluster.masters()
  }

  async stop(): Promise<void> {
    await this.cluster.stop()
    this.#offset?.remove()
  }
}

function setOff(clocks: Clocks): { environments: NodeJS.ProcessEnv[]; offset: ClockOffset | undefined } {
  if (clocks.length === 0) return { environments: [], offset: undefined }
  const offset = new ClockOffset()
  return { environments: clocks.map((ms) => offset.environment(ms)), offset }
}

/** In ms. A paused server must not delay the harness. */
const ANSWER_WITHIN = 1_000

/** The harness's own connections, one to each server. */
class Lines {
  readonly #byPort = new Map<number, Redis>()

  to(port: number): Redis {
    const known = this.#byPort.get(port)
    if (known !== undefined) return known
    const redis = new Redis({ host: '127.0.0.1', port, commandTimeout: ANSWER_WITHIN, maxRetriesPerRequest: 0 })
    redis.on('error', () => {})
    this.#byPort.set(port, redis)
    return redis
  }

  close(): void {
    for (const redis of this.#byPort.values()) redis.disconnect()
  }
}
