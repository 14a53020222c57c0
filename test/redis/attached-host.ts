// A user's web server, with a Flotilla attached for each URL that it is given. It prints the outcome for each, and
// exits when its input ends. If Flotilla threw an error that nobody can catch, the process would end earlier.
import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { redis } from '../../src/drivers/redis/redis.ts'
import { createServer, defineModule, isFlotillaError } from '../../src/index.ts'

const [patience = '', ...urls] = process.argv.slice(2)
const times = { heartbeat: 200, deadAfter: 600, storeWait: 300, connectTimeout: Number(patience) }

function codeOf(error: unknown): string {
  return isFlotillaError(error) ? error.code : `not ours: ${String(error)}`
}

async function attach(url: string): Promise<string[]> {
  const http = createHttpServer((_, response) => response.end('alive')).listen(0, '127.0.0.1')
  await once(http, 'listening')
  const said = await outcomeOf(http, url)
  const { port } = http.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}`)
  http.close()
  if ((await answer.text()) !== 'alive') throw new Error('the host has changed')
  return said
}

async function outcomeOf(http: HttpServer, url: string): Promise<string[]> {
  try {
    const server = createServer({ modules: [defineModule('/ws', {})], driver: redis({ url }), ...times }).attach(http)
    const ready = await server.ready().then(() => 'ready', codeOf)
    const pushes = [{ uid: 'u' }, { group: 'g' }, { all: true as const }].map((target, index) =>
      server.cluster.push(target, 'x', { id: `push-${index}` }).then(() => 'pushed', codeOf),
    )
    const said = [ready, ...(await Promise.all(pushes))]
    await server.close({ timeout: 100 })
    return said
  } catch (error) {
    return [codeOf(error)]
  }
}

const outcomes = await Promise.all(urls.map(async (url) => [url, await attach(url)] as const))
process.stdout.write(`${JSON.stringify(outcomes)}\n`)
