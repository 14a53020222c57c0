import slotOf from 'cluster-key-slot'
import { Redis } from 'ioredis'
import { freePort } from './free-port.ts'
import { type RedisServer, startRedis } from './redis.ts'
import { until } from './until.ts'

const MASTERS = 3
const SLOTS = 16_384
const MIGRATE_COUNT = 100
/**
 * ms after which a silent server is replaced. A server that merely waits for CPU time on a busy machine must not be.
 */
const NODE_TIMEOUT = '5000'

interface Member {
  readonly server: RedisServer
  readonly busPort: number
  /** The member's id in the cluster. */
  readonly id: string
  readonly admin: Redis
}

/** A Redis Cluster of three masters, each with or without a replica that takes over some seconds after its death. */
export class RedisCluster {
  readonly #members: readonly Member[]

  private constructor(members: readonly Member[]) {
    this.#members = members
  }

  static async start(args: readonly string[], { replicas, environments }: ClusterOptions): Promise<RedisCluster> {
    const count = replicas ? 2 * MASTERS : MASTERS
    const members = Array.from({ length: count }, (_, index) => startMember(args, environments[index]))
    const cluster = new RedisCluster(await Promise.all(members))
    await cluster.#form()
    return cluster
  }

  /** A URL that names every member. */
  get url(): string {
    return `redis+cluster://${this.#members.map(({ server }) => `127.0.0.1:${server.port}`).join(',')}`
  }

  get servers(): readonly RedisServer[] {
    return this.#members.map(({ server }) => server)
  }

  /** A connection to each server that is a master at the moment. */
  async masters(): Promise<readonly Redis[]> {
    const ports = new Set((await this.#slots()).map(({ port }) => port))
    return this.#members.filter(({ server }) => ports.has(server.port)).map(({ admin }) => admin)
  }

  /** The server that has a slot, or the slot of a key, at the moment. */
  async masterOf(slotOrKey: number | string): Promise<RedisServer> {
    return (await this.#masterOf(slotNumber(slotOrKey))).server
  }

  /** The replica of a master. */
  async replicaOf(master: RedisServer): Promise<RedisServer> {
    const { id } = this.#memberOf(master)
    const lines = (await this.#someAdmin().call('CLUSTER', 'NODES')) as string
    const line = lines.split('\n').find((text) => text.split(' ')[3] === id)
    return this.#members.find((member) => line?.startsWith(member.id))!.server
  }

  /** Resolves once a server other than `from` is the master of this slot or key, and the whole cluster works again. */
  async failedOver(slotOrKey: number | string, from: RedisServer): Promise<void> {
    await until(
      'the replica has taken over',
      async () => (await this.masterOf(slotOrKey)) !== from && (await this.#isWell()),
      { every: 50 },
    )
  }

  /** Begins to move a slot: new keys are created at its target from now on. */
  async beginToMove(slotOrKey: number | string, to: RedisServer): Promise<void> {
    const slot = slotNumber(slotOrKey)
    const [source, target] = [await this.#masterOf(slot), this.#memberOf(to)]
    await target.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id)
    await source.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id)
  }

  /** Moves some keys of a slot that is being moved. False if none is left. */
  async moveKeys(slotOrKey: number | string, to: RedisServer, count = MIGRATE_COUNT): Promise<boolean> {
    const source = await this.#masterOf(slotNumber(slotOrKey))
    const keys = (await source.admin.call('CLUSTER', 'GETKEYSINSLOT', slotNumber(slotOrKey), count)) as string[]
    if (keys.length === 0) return false
    await source.admin.call('MIGRATE', '127.0.0.1', to.port, '', 0, 60_000, 'REPLACE', 'KEYS', ...keys)
    return true
  }

  /** Tells all masters where the slot is from now on. */
  async finishMove(slotOrKey: number | string, to: RedisServer): Promise<void> {
    const slot = slotNumber(slotOrKey)
    const { id, admin } = this.#memberOf(to)
    // The target comes first. Otherwise no server would have the slot for a moment.
    await admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', id)
    for (const master of await this.masters()) await master.call('CLUSTER', 'SETSLOT', slot, 'NODE', id)
  }

  /** Moves a slot with all its keys to another master. */
  async move(slotOrKey: number | string, to: RedisServer): Promise<void> {
    await this.beginToMove(slotOrKey, to)
    while (await this.moveKeys(slotOrKey, to));
    await this.finishMove(slotOrKey, to)
  }

  async stop(): Promise<void> {
    for (const { admin } of this.#members) admin.disconnect()
    await Promise.all(this.#members.map(({ server }) => server.stop()))
  }

  async #form(): Promise<void> {
    const [first, ...others] = this.#members
    for (const [index, { admin }] of this.#members.slice(0, MASTERS).entries()) {
      const [from, end] = [index, index + 1].map((part) => Math.floor((part * SLOTS) / MASTERS))
      await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', from!, end! - 1)
    }
    for (const { server, busPort } of others) {
      await first!.admin.call('CLUSTER', 'MEET', '127.0.0.1', server.port, busPort)
    }
    await until('the members know each other', () => this.#everyone(`cluster_known_nodes:${this.#members.length}\r`))
    for (const [index, { admin }] of this.#members.slice(MASTERS).entries()) {
      await admin.call('CLUSTER', 'REPLICATE', this.#members[index]!.id)
    }
    await until('every slot is served', () => this.#everyone('cluster_state:ok'))
    await until('the replicas have synced', () => this.#haveSynced())
  }

  async #haveSynced(): Promise<boolean> {
    const infos = await Promise.all(this.#members.slice(MASTERS).map(({ admin }) => admin.info('replication')))
    const lists = await Promise.all(this.#members.map(({ admin }) => admin.call('CLUSTER', 'NODES')))
    const replicaCount = this.#members.length - MASTERS
    return (
      infos.every((info) => info.includes('master_link_status:up')) &&
      lists.every((list) => (String(list).match(/\bslave\b/g) ?? []).length === replicaCount)
    )
  }

  async #everyone(says: string): Promise<boolean> {
    const infos = await Promise.all(this.#members.map(({ admin }) => admin.call('CLUSTER', 'INFO')))
    return infos.every((info) => String(info).includes(says))
  }

  async #isWell(): Promise<boolean> {
    const infos = await this.#ask('INFO')
    return infos.filter((info) => String(info).includes('cluster_state:ok')).length >= this.#members.length - 1
  }

  async #masterOf(slot: number): Promise<Member> {
    const { port } = (await this.#slots()).find(({ from, to }) => from <= slot && slot <= to)!
    return this.#members.find(({ server }) => server.port === port)!
  }

  async #slots(): Promise<readonly { from: number; to: number; port: number }[]> {
    // A server that has just woken up does not know yet that it was replaced, so the newest epoch counts.
    const answering = this.#answering
    const replies = await this.#ask('SLOTS', answering)
    const epochs = await this.#ask('INFO', answering)
    const newest = epochs
      .map((info, index) => ({ index, epoch: Number(/cluster_current_epoch:(\d+)/.exec(String(info))?.[1] ?? -1) }))
      .filter(({ index }) => replies[index] !== undefined)
      .toSorted((a, b) => b.epoch - a.epoch)[0]!
    const ranges = replies[newest.index] as [number, number, [string, number]][]
    return ranges.map(([from, to, [, port]]) => ({ from, to, port }))
  }

  /** The members that have not ended and are not paused. */
  get #answering(): readonly Member[] {
    return this.#members.filter(({ server, admin }) => admin.status === 'ready' && !server.isPaused)
  }

  /** The answer of each member, `undefined` if the member ends meanwhile. */
  #ask(what: 'INFO' | 'SLOTS', members = this.#answering): Promise<unknown[]> {
    return Promise.all(members.map(({ admin }) => admin.call('CLUSTER', what).catch(() => undefined)))
  }

  #someAdmin(): Redis {
    return this.#answering[0]!.admin
  }

  #memberOf(server: RedisServer): Member {
    return this.#members.find((member) => member.server === server)!
  }
}

/** Starts three masters, with a replica each unless told otherwise. */
export function startCluster(
  args: readonly string[] = [],
  { replicas = true, environments = [] }: Partial<ClusterOptions> = {},
): Promise<RedisCluster> {
  return RedisCluster.start(args, { replicas, environments })
}

interface ClusterOptions {
  readonly replicas: boolean
  /** Environment variables for each server in turn, in addition to this process's. */
  readonly environments: readonly NodeJS.ProcessEnv[]
}

async function startMember(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Member> {
  const busPort = await freePort()
  const clustered = [
    '--cluster-enabled',
    'yes',
    '--cluster-port',
    String(busPort),
    '--cluster-node-timeout',
    NODE_TIMEOUT,
  ]
  const eager = [
    '--cluster-replica-validity-factor',
    '0',
    '--repl-diskless-sync-delay',
    '0',
    '--repl-ping-replica-period',
    '1',
  ]
  const server = await startRedis(['--save', '', '--appendonly', 'no', ...clustered, ...eager, ...args], environment)
  const admin = new Redis({ host: '127.0.0.1', port: server.port, maxRetriesPerRequest: 0 })
  admin.on('error', () => {})
  const id = (await admin.call('CLUSTER', 'MYID')) as string
  return { server, busPort, id, admin }
}

function slotNumber(slotOrKey: number | string): number {
  return typeof slotOrKey === 'number' ? slotOrKey : slotOf(slotOrKey)
}
