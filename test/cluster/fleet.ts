import type { TestContext } from 'node:test'
import { type ConnectOptions, connect, type TestClient } from '../support/connect.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { startNode, type TestNode } from '../support/start-node.ts'
import { until } from '../support/until.ts'

/** ms. Short, so that a death is noticed soon, but longer than a busy machine keeps a living node waiting. */
export const HEARTBEAT = 500
export const DEAD_AFTER = 4_000

/** Three nodes and a Redis, all real processes. */
export interface Fleet {
  readonly redis: RedisServer
  readonly a: TestNode
  readonly b: TestNode
  readonly c: TestNode
  connect(node: TestNode, options?: ConnectOptions): Promise<TestClient>
  startNode(...args: string[]): Promise<TestNode>
}

export async function startFleet(t: TestContext, ...args: string[]): Promise<Fleet> {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const start = async (...more: string[]): Promise<TestNode> => {
    const times = ['--heartbeat', String(HEARTBEAT), '--dead-after', String(DEAD_AFTER)]
    const node = await startNode(['--dev', '--redis', redis.url, ...times, ...args, ...more])
    t.after(() => node.kill9())
    return node
  }
  const [a, b, c] = await Promise.all([start('--name', 'a'), start('--name', 'b'), start('--name', 'c')])
  return {
    redis,
    a,
    b,
    c,
    startNode: start,
    async connect(node, options) {
      const client = await connect(node.url, options)
      t.after(() => client.socket.terminate())
      return client
    },
  }
}

export interface PushAnswer {
  readonly id: string
  readonly nodeCount: number
  readonly offline: readonly string[]
}

/** Pushes over the HTTP API, and fails if the API refuses. */
export async function push(node: TestNode, body: object): Promise<PushAnswer> {
  const answer = await node.api('POST', '/api/push', body)
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body as PushAnswer
}

export async function nodesSeenBy(node: TestNode): Promise<string[]> {
  const { body } = await node.api('GET', '/api/nodes')
  return (body as { nodes: { node: string }[] }).nodes.map((other) => other.node)
}

export async function connectionsOf(node: TestNode, uid: string): Promise<{ connection: string; node: string }[]> {
  const { body } = await node.api('GET', `/api/users/${encodeURIComponent(uid)}`)
  return (body as { connections: { connection: string; node: string }[] }).connections
}

/** Waits until a node no longer lists another. */
export function untilGone(seenBy: TestNode, gone: TestNode): Promise<void> {
  return until(`${gone.id} is gone`, async () => !(await nodesSeenBy(seenBy)).includes(gone.id), { every: 50 })
}
