// Flotilla on the same port as an Express application: npx tsx examples/express.ts
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createServer, defineModule } from 'flotilla'

const app = express().use(express.json({ strict: false }))
const inbox = defineModule('/ws/:uid', {
  handshake(ctx) {
    ctx.uid = ctx.params.uid
  },
})

const http = app.listen(Number(process.env['PORT'] ?? 18308), '127.0.0.1', (error) => {
  if (error !== undefined) throw error
  console.log(`listening on http://127.0.0.1:${(http.address() as AddressInfo).port}`)
})
const flotilla = createServer({ modules: [inbox] }).attach(http)

app.post('/notify/:uid', async (request, response) => {
  response.json(await flotilla.cluster.push({ uid: request.params.uid }, request.body))
})

// Flotilla notices that its HTTP server closes. Its clients get 1001, the node leaves, and the process ends.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => http.close())
