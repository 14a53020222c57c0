import { createServer as httpServer } from 'node:http'
import {
  allowOrigins,
  authenticate,
  createServer,
  defineModule,
  MessageMapping,
  OnClose,
  OnOpen,
  WsController,
  WsModule,
  type CloseContext,
  type MessageContext,
  type OpenContext,
  type Schema,
} from 'flotilla'
import { Emitter } from 'flotilla/emitter'
import { redis } from 'flotilla/redis'

declare module 'flotilla' {
  interface Session {
    name?: string
  }
}
declare const Say: Schema<{ text: string }> // zod, valibot, arktype: any Standard Schema
type Chat = '/chat/:room'

@WsController('room') // 1. decorators
class RoomController {
  @MessageMapping('say', { data: Say }) // command "room.say"; ctx.data is checked against Say
  async say(ctx: MessageContext<{ text: string }, Chat>) {
    const except = { connection: ctx.connection.id }
    await ctx.cluster.push({ group: ctx.params.room }, { from: ctx.uid, text: ctx.data.text }, { except })
    return { ok: true } // {"id":7,"data":{"ok":true}}
  }
}
@WsModule('/chat/:room', { controllers: [RoomController] })
class ChatModule {
  @OnOpen() open(ctx: OpenContext<Chat>) {
    return ctx.join(ctx.params.room)
  }
  @OnClose() close(ctx: CloseContext<Chat>) {
    ctx.log.info({ code: ctx.code, name: ctx.session.name }, 'gone')
  }
}

const chat = defineModule('/plain/:room', {
  // 2. plain: everything inferred, no build step
  open: (ctx) => ctx.join(ctx.params.room),
  close: (ctx) => ctx.log.info({ code: ctx.code, name: ctx.session.name }, 'gone'),
  commands: {
    'room.say': {
      data: Say,
      async run({ cluster, connection, data, params, uid }) {
        await cluster.push(
          { group: params.room },
          { from: uid, text: data.text },
          { except: { connection: connection.id } },
        )
        return { ok: true }
      },
    },
  },
})

const http = httpServer()
const driver = redis({ url: 'redis://127.0.0.1:6379' })
const server = createServer({
  modules: [ChatModule, chat], // classes, instances or definitions
  driver,
  middleware: { handshake: [allowOrigins(['https://example.com']), authenticate({ secret: process.env.SECRET! })] },
  onError: ({ phase, error }) => console.error(phase, error),
})
server.attach(http).cluster.on('register', ({ uid, connection, node }) => console.log(uid, connection, node))
http.listen(18308)
const { offline } = await server.cluster.push({ uid: ['u1', 'u2'] }, 'hello', { id: 'order-42' })
await server.cluster.transportToUid(`missed by ${offline}`, 'admin') // seed names stay, as one-liners over push
await using emitter = new Emitter({ driver })
await emitter.push({ all: true }, new Uint8Array([1, 2, 3]))
await server.close({ timeout: 10_000 })
