// More of what must compile than example.ts has room for; each @ts-expect-error is a promise of the types.
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
    // @ts-expect-error without a schema nothing is known of the data
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
      // @ts-expect-error no such param
      void params.room
    },
    open({ session, connection }) {
      const same: Session = connection.session
      return same === session
    },
    commands: {
      say: { data: Say, run: ({ data }) => data.at.getTime() },
      plain: { middleware: [log], run: async ({ data, id }) => (data === undefined ? id : null) },
      // @ts-expect-error an action without run
      broken: { data: Say },
    },
  }),
  // @ts-expect-error no such hook
  defineModule('/typo', { onOpen() {} }),
]

export const server = createServer({ modules, overflow: 'collapse', maxBuffered: 65_536, maxWaitingBytes: 2 ** 20 })
void server.cluster.push({ uid: 'u' }, { price: 42 }, { key: 'price:42' })
// @ts-expect-error a key is one text
void server.cluster.push({ uid: 'u' }, 'x', { key: ['price'] })
// @ts-expect-error no such policy
createServer({ modules: [], overflow: 'drop' })

authenticate({ secret: 's', issuer: 'me', audience: 'you', groupsClaim: 'groups' })
authenticate({ secret: 's', audience: 'you' })
authenticate({ jwks: new URL('https://id.example/keys'), issuer: 'me', audience: 'you' })
// @ts-expect-error tokens come from one source
authenticate({ secret: 's', jwks: 'https://id.example/keys', issuer: 'me', audience: 'you' })
// @ts-expect-error keys of an issuer sign tokens for other services as well
authenticate({ jwks: 'https://id.example/keys', issuer: 'me' })
// @ts-expect-error no such option
authenticate({ secret: 's', algorithms: ['HS512'] })
rateLimit({ perSecond: 1, burst: 1 })
// @ts-expect-error it is { perSecond }
rateLimit(1)
