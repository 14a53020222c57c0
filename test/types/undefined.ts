// Compiled with exactOptionalPropertyTypes: whatever may be left out may also be given as undefined, so that options can
// be passed on. The line after the @ts-expect-error has the error that it describes.
import {
  authenticate,
  createServer,
  defineModule,
  FlotillaError,
  memory,
  MessageMapping,
  rateLimit,
  WsController,
  WsModule,
  type AuthenticateOptions,
  type CompressionOptions,
  type HandshakeContext,
  type ListenOptions,
  type MemberPage,
  type MemoryOptions,
  type MessageContext,
  type Middlewares,
  type PushOptions,
  type RateLimitOptions,
  type ServerOptions,
} from 'flotilla'
import { Emitter, type EmitterOptions } from 'flotilla/emitter'
import { redis, type RedisDriverOptions } from 'flotilla/redis'
import { connect, type ConnectOptions } from 'flotilla/testing'

/** An object with every optional property of T, all of them undefined. */
declare function unset<T>(): { [K in keyof T as {} extends Pick<T, K> ? K : never]-?: undefined }
declare const driver: NonNullable<ServerOptions['driver']>
declare const maybe: string | undefined

export const all: [ServerOptions, CompressionOptions, ListenOptions, MemberPage, MemoryOptions, Middlewares] = [
  { modules: [], ...unset<ServerOptions>() },
  unset<CompressionOptions>(),
  unset<ListenOptions>(),
  unset<MemberPage>(),
  unset<MemoryOptions>(),
  unset<Middlewares>(),
]
export const push: PushOptions[] = [unset<PushOptions>(), { except: { uid: maybe, connection: undefined } }]
export const others: [AuthenticateOptions, RateLimitOptions, EmitterOptions, RedisDriverOptions, ConnectOptions] = [
  { secret: 's', groupsClaim: undefined },
  { perSecond: 1, ...unset<RateLimitOptions>() },
  { driver, ...unset<EmitterOptions>() },
  { url: 'redis://h', ...unset<RedisDriverOptions>() },
  unset<ConnectOptions>(),
]

const server = createServer({ modules: [], onError: undefined, resolve: undefined, generateUid: undefined })
void server.close({ timeout: undefined })
void server.drain({ delay: undefined })
void server.cluster.push({ all: true }, 'x', { id: undefined, key: undefined, except: undefined })
void server.cluster.members('g', { limit: undefined, cursor: undefined })
void connect('http://h', { headers: undefined, protocols: undefined })
void new Emitter({ driver: redis({ url: 'redis://h', durability: undefined }), prefix: undefined })
void new FlotillaError('FLT_CLOSED', 'closed', { details: undefined })
void [memory({ isolated: undefined }), rateLimit({ perSecond: 1, burst: undefined })]

declare const greet: ((ctx: { readonly uid: string | undefined }) => void) | undefined
defineModule('/x/:y', {
  concurrency: undefined,
  parser: undefined,
  middleware: { handshake: undefined, open: undefined, message: undefined },
  handshake: undefined,
  open: greet,
  close: undefined,
  message: undefined,
  commands: { hi: { data: undefined, middleware: undefined, run: ({ params }) => params.y } },
})
defineModule('/x', { commands: undefined })

@WsController('room', { middleware: undefined })
class Room {
  @MessageMapping('say', { data: undefined, middleware: undefined })
  say(ctx: MessageContext<never>): string {
    return ctx.command
  }
}
@WsModule('/x', { controllers: [Room], parser: undefined, middleware: undefined, concurrency: undefined })
export class Chat {}

export function handshake(ctx: HandshakeContext): void {
  ctx.uid = maybe
  ctx.protocol = maybe
  ctx.expiresAt = undefined
}

declare const secret: string
// @ts-expect-error a variable that is not set must not switch off a check
authenticate({ secret, issuer: undefined })
