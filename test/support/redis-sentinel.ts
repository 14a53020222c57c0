import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Child } from './child.ts'
import { freePort } from './free-port.ts'
import { type RedisServer, startRedis } from './redis.ts'
import { until } from './until.ts'

const MASTER_NAME = 'flotilla'
const NO_DISK = [
  '--save',
  '',
  '--appendonly',
  'no',
  '--repl-diskless-sync-delay',
  '0',
  '--repl-ping-replica-period',
  '1',
]

/** Environment variables for each server in turn, in addition to this process's. */
type Environments = readonly NodeJS.ProcessEnv[]

/** A master and a replica in sync with it. Only the test promotes the replica. */
export class ReplicaPair {
  readonly master: RedisServer
  readonly replica: RedisServer

  private constructor(master: RedisServer, replica: RedisServer) {
    this.master = master
    this.replica = replica
  }

  static async start(args: readonly string[], environments: Environments): Promise<ReplicaPair> {
    const master = await startRedis([...NO_DISK, ...args], environments[0])
    const follow = ['--replicaof', `127.0.0.1 ${master.port}`]
    const replica = await startRedis([...NO_DISK, ...args, ...follow], environments[1])
    await until('the replica has synced', async () =>
      /master_link_status:up/.test(await ask(replica.port, (redis) => redis.info('replication'))),
    )
    return new ReplicaPair(master, replica)
  }

  /** Makes the replica a master, with the data that it has received so far. */
  async promote(): Promise<void> {
    await ask(this.replica.port, (redis) => redis.replicaof('NO', 'ONE'))
  }

  async stop(): Promise<void> {
    await Promise.all([this.master.stop(), this.replica.stop()])
  }
}

export function startReplicaPair(args: readonly string[] = [], environments: Environments = []): Promise<ReplicaPair> {
  return ReplicaPair.start(args, environments)
}

/** A replica pair that three sentinels watch. The replica takes over some seconds after the master falls silent. */
export class SentinelTrio {
  readonly pair: ReplicaPair
  readonly #ports: readonly number[]
  readonly #children: readonly Child[]
  readonly #directory: string

  private constructor(pair: ReplicaPair, ports: readonly number[], children: readonly Child[], directory: string) {
    this.pair = pair
    this.#ports = ports
    this.#children = children
    this.#directory = directory
  }

  static async start(args: readonly string[], environments: Environments): Promise<SentinelTrio> {
    const pair = await startReplicaPair(args, environments)
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-sentinel-'))
    const ports: number[] = []
    const children: Child[] = []
    for (const name of ['a', 'b', 'c']) {
      const port = await freePort()
      ports.push(port)
      children.push(await launch(join(directory, `${name}.conf`), port, pair.master.port))
    }
    const trio = new SentinelTrio(pair, ports, children, directory)
    await until('the sentinels know each other and the replica', () => trio.#isComplete())
    return trio
  }

  get url(): string {
    return `redis+sentinel://${this.#ports.map((port) => `127.0.0.1:${port}`).join(',')}/${MASTER_NAME}`
  }

  /** The port of the server that the sentinels name as the master. */
  async masterPort(): Promise<number> {
    const [port] = this.#ports
    const [, named] = (await ask(port!, (redis) =>
      redis.call('SENTINEL', 'get-master-addr-by-name', MASTER_NAME),
    )) as string[]
    return Number(named)
  }

  /** The server that the sentinels name as the master, and the other server. */
  async roles(): Promise<{ master: RedisServer; replica: RedisServer }> {
    const { master, replica } = this.pair
    return (await this.masterPort()) === master.port ? { master, replica } : { master: replica, replica: master }
  }

  /** Resolves once the sentinels name a master other than this one. */
  async failedOver(from: RedisServer): Promise<void> {
    await until('the replica has taken over', async () => (await this.masterPort()) !== from.port, { every: 50 })
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.kill9()))
    await this.pair.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #isComplete(): Promise<boolean> {
    const masters = await Promise.all(
      this.#ports.map((port) => ask(port, (redis) => redis.call('SENTINEL', 'master', MASTER_NAME))),
    )
    return masters.every((flat) => {
      const fields = flat as string[]
      const numberAfter = (name: string): number => Number(fields[fields.indexOf(name) + 1])
      return numberAfter('num-slaves') === 1 && numberAfter('num-other-sentinels') === 2
    })
  }
}

export function startSentinels(args: readonly string[] = [], environments: Environments = []): Promise<SentinelTrio> {
  return SentinelTrio.start(args, environments)
}

async function launch(file: string, port: number, masterPort: number): Promise<Child> {
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 2`,
    // A server that merely waits for CPU time on a busy machine must not be replaced.
    `sentinel down-after-milliseconds ${MASTER_NAME} 5000`,
    `sentinel failover-timeout ${MASTER_NAME} 10000`,
  ]
  // A sentinel writes its findings into its configuration file, so each needs a file of its own.
  await writeFile(file, lines.join('\n'))
  const child = new Child('redis-server', [file, '--sentinel'])
  await child.said(/monitor master/)
  return child
}

async function ask<T>(port: number, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ host: '127.0.0.1', port, retryStrategy: () => null })
  redis.on('error', () => {})
  try {
    return await question(redis)
  } finally {
    redis.disconnect()
  }
}
