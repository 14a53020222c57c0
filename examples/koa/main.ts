// Flotilla on the same port as a Koa application. In a project with koa and flotilla: npx tsx main.ts
import type { AddressInfo } from 'node:net'
import { createServer, defineModule } from 'flotilla'
import Koa from 'koa'

const app = new Koa()
const inbox = defineModule('/ws/:uid', {
  handshake(ctx) {
    ctx.uid = ctx.params.uid
  },
})

const flotilla = createServer({ modules: [inbox] })

app.use(async (ctx) => {
  const [, uid] = /^\/notify\/([^/]+)$/.exec(ctx.path) ?? []
  if (ctx.method !== 'POST' || uid === undefined) return
  const chunks: Buffer[] = []
  for await (const chunk of ctx.req) chunks.push(chunk as Buffer)
  ctx.body = await flotilla.cluster.push({ uid }, JSON.parse(Buffer.concat(chunks).toString()))
})

// Koa no longer adds routes once it listens.
const http = app.listen(Number(process.env['PORT'] ?? 18308), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(http.address() as AddressInfo).port}`)
})
flotilla.attach(http)

// Flotilla notices that its HTTP server closes. Its clients get 1001, the node leaves, and the process ends.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => http.close())
