// Code that must compile, beyond example.ts. The line after each @ts-expect-error has the error that it describes.
import {
  authenticate,
  createServer,
  defineModule,
  json,
  MessageMapping,
  OnClose,
  OnHandshake,
  OnMessage,
  OnOpen,
  rateLimit,
  raw,
  WsController,
  WsModule,
  type CloseContext,
  type HandshakeContext,
  type MessageContext,
  type Middleware,
  type Middlewares,
  type OpenContext,
  type Parser,
  type Session,
} from 'flotilla'
import { z } from 'zod'

const Say = z.object({ text: z.string(), at: z.string().transform((text) => new Date(text)) })
const log: Middleware<MessageContext> = async (ctx, next) => {
  const reply = await next()
  ctx.log.info({ command: ctx.command })
  return reply
}
const middleware: Middlewares = { handshake: [(ctx, next) => next()], message: [log] }
const lines: Parser = {
  decode: (message) => ({ command: 'line', data: String(message) }),
  encode: (answer) => JSON.stringify(answer),
}

@WsController('room', { middleware: [log] })
class RoomController {
  readonly #said: string[] = []

  @MessageMapping('say', { data: Say, middleware: [log] })
  say({ data, params }: MessageContext<{ text: string; at: Date }, '/room/:room'>) {
    this.#said.push(params.room + data.text + data.at.getTime())
  }

  @MessageMapping('count')
  async count({ data }: MessageContext) {
    // @ts-expect-error without a schema the type of the data is unknown
    void data.length
    return this.#said.length
  }

  @MessageMapping('none') none() {}

  // @ts-expect-error a reply must be something that can be sent
  @MessageMapping('never') never = 1
}

@WsModule('/room/:room', {
  controllers: [RoomController, new RoomController()],
  parser: json,
  middleware,
  concurrency: 2,
})
class Room {
  @OnHandshake() handshake(ctx: HandshakeContext<'/room/:room'>) {
    if (ctx.params.room === 'closed') return new Response(null, { status: 403 })
    ctx.uid = 'u'
    ctx.groups.add(ctx.params.room)
    ctx.headers.append('set-cookie', 'a=b')
    return undefined
  }
  @OnOpen() async open({ join, send, params }: OpenContext<'/room/:room'>) {
    await join(params.room)
    const sent: boolean = send({ hello: params.room })
    return sent
  }
  @OnClose() close(ctx: CloseContext) {
    ctx.log.debug({ code: ctx.code, reason: ctx.reason, uid: ctx.uid })
  }
  // @ts-expect-error a handshake hook refuses with a Response, not with false
  @OnHandshake() refuse() {
    return false
  }
}

@WsModule('/raw', { parser: lines })
class Raw {
  @OnMessage() echo(ctx: MessageContext) {
    return ctx.raw
  }
}

export const modules = [
  Room,
  new Raw(),
  defineModule('/none', {}),
  defineModule('/raw', { parser: raw, message: ({ raw: message }) => message }),
  defineModule('/async', {
    middleware,
    handshake: async ({ params }) => {
      // @ts-expect-error the path has no such parameter
      void params.room
    },
    open({ session, connection }) {
      const same: Session = connection.session
      return same === session
    },
    commands: {
      say: { data: Say, run: ({ data }) => data.at.getTime() },
      plain: { middleware: [log], run: async ({ data, id }) => (data === undefined ? id : null) },
      // @ts-expect-error a command needs run()
      broken: { data: Say },
    },
  }),
  // @ts-expect-error there is no hook of this name
  defineModule('/typo', { onOpen() {} }),
]

export const server = createServer({ modules, overflow: 'collapse', maxBuffered: 65_536, maxWaitingBytes: 2 ** 20 })
void server.cluster.push({ uid: 'u' }, { price: 42 }, { key: 'price:42' })
// @ts-expect-error a key is a single string
void server.cluster.push({ uid: 'u' }, 'x', { key: ['price'] })
// @ts-expect-error there is no policy of this name
createServer({ modules: [], overflow: 'drop' })

authenticate({ secret: 's', issuer: 'me', audience: 'you', groupsClaim: 'groups' })
authenticate({ secret: 's', audience: 'you' })
authenticate({ jwks: new URL('https://id.example/keys'), issuer: 'me', audience: 'you' })
// @ts-expect-error keys come from one source, secret or jwks
authenticate({ secret: 's', jwks: 'https://id.example/keys', issuer: 'me', audience: 'you' })
// @ts-expect-error jwks needs an audience, because the issuer's keys sign tokens for other services, too
authenticate({ jwks: 'https://id.example/keys', issuer: 'me' })
// @ts-expect-error there is no option of this name
authenticate({ secret: 's', algorithms: ['HS512'] })
rateLimit({ perSecond: 1, burst: 1 })
// @ts-expect-error the argument is an object { perSecond }
rateLimit(1)
