// Flotilla on the same port as a Fastify application: npx tsx examples/fastify.ts
import fastify from 'fastify'
import { createServer, defineModule } from 'flotilla'

const app = fastify()
const ws = defineModule('/ws/:uid', {
  handshake(ctx) {
    ctx.uid = ctx.params.uid
  },
})
const flotilla = createServer({ modules: [ws] }).attach(app.server)

app.post<{ Params: { uid: string }; Body: unknown }>('/notify/:uid', (request) =>
  flotilla.cluster.push({ uid: request.params.uid }, request.body ?? null),
)
app.addHook('onClose', () => flotilla.close())

console.log(`listening on ${await app.listen({ port: Number(process.env['PORT'] ?? 18308) })}`)
