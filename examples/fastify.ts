// Flotilla on the same port as a Fastify application: npx tsx examples/fastify.ts
import fastify from 'fastify'
import { createServer, defineModule } from 'flotilla'

const app = fastify()
const inbox = defineModule('/ws/:uid', {
  handshake(ctx) {
    ctx.uid = ctx.params.uid
  },
})
const flotilla = createServer({ modules: [inbox] }).attach(app.server)

app.post<{ Params: { uid: string }; Body: unknown }>('/notify/:uid', (request) =>
  flotilla.cluster.push({ uid: request.params.uid }, request.body ?? null),
)
// `onClose` would be too late: Fastify runs it after its server has closed, and that waits for the WebSockets.
app.addHook('preClose', () => flotilla.close())

console.log(`listening on ${await app.listen({ port: Number(process.env['PORT'] ?? 18308) })}`)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close())
