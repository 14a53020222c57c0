// Flotilla in Next.js with a server of your own. In a project with next, react, react-dom and flotilla: npx tsx server.ts
import { createServer as createHttp } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer, defineModule } from 'flotilla'
import next from 'next'
import './flotilla.ts'

const inbox = defineModule('/ws/:uid', {
  handshake(ctx) {
    ctx.uid = ctx.params.uid
  },
})

const http = createHttp((request, response) => void handle(request, response))
const dev = process.env.NODE_ENV !== 'production'
const app = next({ dev })
const handle = app.getRequestHandler()
await app.prepare()
// Route handlers are bundled apart from this file, so they find the server in a global.
globalThis.flotilla = createServer({ modules: [inbox] }).attach(http)

http.listen(Number(process.env['PORT'] ?? 18308), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(http.address() as AddressInfo).port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    http.close()
    await globalThis.flotilla?.close()
    await app.close()
    // Browsers hold a socket for hot updates, which Next.js does not close.
    if (dev) process.exit()
  })
}
