// A chat with rooms. It needs neither decorators nor a store: npx tsx examples/chat.ts
import { createServer, defineModule } from 'flotilla'

const chat = defineModule('/chat/:room', {
  handshake(ctx) {
    const name = ctx.url.searchParams.get('name')
    if (name === null) return Response.json({ error: 'say who you are: ?name=' }, { status: 401 })
    ctx.uid = name
  },
  open: (ctx) => ctx.join(ctx.params.room),
  commands: {
    say: {
      async run({ cluster, connection, data, params, uid }) {
        const except = { connection: connection.id }
        await cluster.push({ group: params.room }, { from: uid, text: data }, { except })
        return { ok: true }
      },
    },
  },
})

const server = createServer({ modules: [chat] })
console.log(`listening on ${await server.listen(Number(process.env['PORT'] ?? 18308))}`)
