// Flotilla in Vite's dev server, beside its own WebSocket for hot updates. In a project with vite and flotilla: npx vite
import type { Server } from 'node:http'
import { createServer, defineModule } from 'flotilla'
import { defineConfig, type Plugin } from 'vite'

const inbox = defineModule('/ws/:uid', {
  handshake(ctx) {
    ctx.uid = ctx.params.uid
  },
})

function flotilla(): Plugin {
  return {
    name: 'flotilla',
    apply: 'serve',
    configureServer(vite) {
      // There is no HTTP server in middleware mode: attach to the one that you pass to Vite as `server.hmr.server`.
      if (vite.httpServer === null) return
      const server = createServer({ modules: [inbox] }).attach(vite.httpServer as Server)
      // Vite destroys every socket before it closes its server, so clients must hear of it before that.
      const close = vite.close.bind(vite)
      vite.close = async () => {
        await server.close()
        await close()
      }
      vite.middlewares.use('/notify', (request, response, next) => {
        const uid = (request.url ?? '').slice(1)
        void server.cluster.push({ uid }, `hello, ${uid}`).then((receipt) => {
          response.setHeader('content-type', 'application/json').end(JSON.stringify(receipt))
        }, next)
      })
    },
  }
}

export default defineConfig({
  plugins: [flotilla()],
  server: { host: '127.0.0.1', port: Number(process.env['PORT'] ?? 18308) },
})
