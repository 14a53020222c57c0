// The same chat with decorators: npx tsx examples/decorators.ts
import {
  createServer,
  type HandshakeContext,
  MessageMapping,
  type MessageContext,
  OnClose,
  OnHandshake,
  OnOpen,
  type CloseContext,
  type OpenContext,
  WsController,
  WsModule,
} from 'flotilla'
import { z } from 'zod'

type Chat = '/chat/:room'
const Say = z.object({ text: z.string().min(1) })

@WsController('room')
class RoomController {
  @MessageMapping('say', { data: Say })
  async say(ctx: MessageContext<{ text: string }, Chat>) {
    const except = { connection: ctx.connection.id }
    await ctx.cluster.push({ group: ctx.params.room }, { from: ctx.uid, text: ctx.data.text }, { except })
    return { ok: true }
  }
}

@WsModule('/chat/:room', { controllers: [RoomController] })
class ChatModule {
  @OnHandshake() whoIsIt(ctx: HandshakeContext<Chat>) {
    ctx.uid = ctx.url.searchParams.get('name') ?? 'guest'
  }

  @OnOpen() open(ctx: OpenContext<Chat>) {
    return ctx.join(ctx.params.room)
  }

  @OnClose() close(ctx: CloseContext<Chat>) {
    console.log(`${ctx.uid} left with ${ctx.code}`)
  }
}

const server = createServer({ modules: [ChatModule] })
console.log(`listening on ${await server.listen(Number(process.env['PORT'] ?? 18308))}`)
