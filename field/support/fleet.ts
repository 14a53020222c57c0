import { SignJWT } from 'jose'
import { connect, type ConnectOptions, type TestClient } from '../../test/support/connect.ts'
import { freePort } from '../../test/support/free-port.ts'
import { type RedisServer, startRedis } from '../../test/support/redis.ts'
import { type Answer, startNode, type TestNode } from '../../test/support/start-node.ts'

export const SECRET = 'a secret of more than thirty-two bytes'
export const API_KEY = 'a-key-of-more-than-thirty-two-bytes'

/** Three nodes as in production: without --dev, over Redis, each on a port of its own that stays the same. */
export class Fleet {
  readonly ports: readonly [number, number, number]
  readonly #redis: RedisServer
  readonly #flags: readonly string[]
  readonly #nodes: TestNode[] = []

  private constructor(redis: RedisServer, ports: readonly [number, number, number], flags: readonly string[]) {
    this.#redis = redis
    this.ports = ports
    this.#flags = flags
  }

  /** @param flags of each node, in addition */
  static async start(flags: readonly string[] = []): Promise<Fleet> {
    const redis = await startRedis()
    const fleet = new Fleet(redis, [await freePort(), await freePort(), await freePort()], flags)
    for (const index of fleet.ports.keys()) await fleet.startNode(index)
    return fleet
  }

  node(index: number): TestNode {
    return this.#nodes[index]!
  }

  async startNode(index: number): Promise<void> {
    const flags = ['--redis', this.#redis.url, '--port', String(this.ports[index]), '--trust-proxy', '127.0.0.1']
    const env = { FLOTILLA_TOKEN_SECRET: SECRET, FLOTILLA_API_KEY: API_KEY }
    this.#nodes[index] = await startNode([...flags, ...this.#flags], { env })
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill9()))
    await this.#redis.stop()
  }
}

/** Calls the API at a host, such as that of a proxy. */
export async function call(host: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`http://${host}${path}`, {
    method,
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('application/json') ?? false
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}

/** Connects a user at a host, such as that of a proxy. */
export async function connectAs(uid: string, host: string, options: ConnectOptions = {}): Promise<TestClient> {
  return connect(`http://${host}`, { ...options, token: await tokenOf(uid) })
}

export async function tokenOf(uid: string): Promise<string> {
  const key = new TextEncoder().encode(SECRET)
  return new SignJWT({ sub: uid }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h').sign(key)
}
