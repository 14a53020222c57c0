// Flotilla as its users run it: the built package, one module, the Redis driver.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { textOf } from '../message.mjs'
import { Phantoms } from '../phantoms.mjs'
import { StoreCalls } from '../store-calls.mjs'

/**
 * `package`: the folder of the build. `servers`: how many nodes share this process.
 *
 * @param {{ package: string, redis: string, heartbeat?: number, servers?: number, countsCalls?: boolean }} settings
 */
export async function start({
  package: folder,
  redis: url,
  heartbeat = 3_000,
  servers: count = 1,
  countsCalls = false,
}) {
  // Must happen before any code of the build creates a Redis client.
  const storeCalls = countsCalls ? StoreCalls.of(folder) : undefined
  const load = (file) => import(pathToFileURL(join(folder, file)).href)
  const { createServer, defineModule } = await load('index.js')
  const { redis } = await load('drivers/redis/redis.js')
  const ws = defineModule('/ws', {
    handshake(context) {
      // An older build, measured beside this one, may not have `url` yet.
      const { searchParams } = context.url ?? new URL(context.request.url)
      context.uid = searchParams.get('uid') ?? undefined
      const group = searchParams.get('group')
      if (group !== null) context.groups.add(group)
    },
  })
  const onError = ({ phase, error }) => process.stderr.write(`${phase}: ${error}\n`)
  const times = { heartbeat, deadAfter: 4 * heartbeat }
  const options = { modules: [ws], onError, ...times }
  const servers = Array.from({ length: count }, () => createServer({ ...options, driver: redis({ url }) }))
  const urls = await Promise.all(servers.map((server) => server.listen(0)))
  const [{ cluster }] = servers
  const push = (target, t) => cluster.push(target, textOf(t))
  return {
    ports: urls.map((url) => Number(new URL(url).port)),
    push: (uid, t) => push(uid === undefined ? { all: true } : { uid }, t),
    pushToGroup: (group, t) => push({ group }, t),
    calls: {
      storeCalls: () => storeCalls.report(),
      self: () => cluster.self,
      evict: ({ node }) => cluster.evict(node).then(() => ({})),
      /** Connections that take up room in the cluster, but no open file of the process. */
      host: (plan) => Phantoms.join(servers[0], plan),
    },
  }
}
