// Flotilla on the same port as a Hono application: npx tsx examples/hono.ts
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import { createServer, defineModule } from 'flotilla'
import { Hono } from 'hono'

const app = new Hono()
const inbox = defineModule('/ws/:uid', {
  handshake(ctx) {
    ctx.uid = ctx.params.uid
  },
})

const port = Number(process.env['PORT'] ?? 18308)
const http = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, (address) => {
  console.log(`listening on http://127.0.0.1:${address.port}`)
}) as Server
const flotilla = createServer({ modules: [inbox] }).attach(http)

app.post('/notify/:uid', async (c) => {
  return c.json(await flotilla.cluster.push({ uid: c.req.param('uid') }, await c.req.json()))
})

// Flotilla notices that its HTTP server closes. Its clients get 1001, the node leaves, and the process ends.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => http.close())
