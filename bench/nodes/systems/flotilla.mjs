// Flotilla as its users have it: the built package, one module, the Redis driver.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { textOf } from '../message.mjs'

/** @param {{ package: string, redis: string, heartbeat?: number, servers?: number }} settings `package`: the folder that was built. */
export async function start({ package: folder, redis: url, heartbeat = 3_000, servers: count = 1 }) {
  const load = (file) => import(pathToFileURL(join(folder, file)).href)
  const { createServer, defineModule } = await load('index.js')
  const { redis } = await load('drivers/redis/redis.js')
  const ws = defineModule('/ws', {
    handshake(context) {
      // A build beside this one may be from before `url`.
      context.uid = (context.url ?? new URL(context.request.url)).searchParams.get('uid') ?? undefined
    },
  })
  const onError = ({ phase, error }) => process.stderr.write(`${phase}: ${error}\n`)
  const times = { heartbeat, deadAfter: 4 * heartbeat }
  const options = { modules: [ws], onError, ...times }
  const servers = Array.from({ length: count }, () => createServer({ ...options, driver: redis({ url }) }))
  const urls = await Promise.all(servers.map((server) => server.listen(0)))
  const [{ cluster }] = servers
  return {
    ports: urls.map((url) => Number(new URL(url).port)),
    push: (uid, t) => cluster.push(uid === undefined ? { all: true } : { uid }, textOf(t)),
  }
}
