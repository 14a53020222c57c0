export type {
  Cluster,
  ClusterEvents,
  Connection,
  ConnectionInfo,
  ConnectionMeta,
  Directory,
  ErrorPhase,
  ErrorReport,
  Many,
  MemberPage,
  Message,
  NodeInfo,
  Overflow,
  Params,
  Pusher,
  PushOptions,
  Receipt,
  Session,
  ShutdownReason,
  Target,
} from './api.ts'
export type { Driver, DriverSettings } from './drivers/driver.ts'
export { memory, type MemoryOptions } from './drivers/memory/memory.ts'
export { type ErrorCode, FlotillaError, isFlotillaError } from './errors.ts'
export type { Logger } from './logger.ts'
export { allowOrigins, sameOrigin } from './middleware/allow-origins.ts'
export { authenticate, type AuthenticateOptions } from './middleware/authenticate.ts'
export type { Middleware } from './modules/compose.ts'
export { rateLimit, type RateLimitOptions } from './middleware/rate-limit.ts'
export type { CloseContext, HandshakeContext, MessageContext, OpenContext } from './modules/contexts.ts'
export {
  MessageMapping,
  OnClose,
  OnHandshake,
  OnMessage,
  OnOpen,
  WsController,
  WsModule,
} from './modules/decorators.ts'
export { defineModule, type ModuleHooks, type Reply } from './modules/define-module.ts'
export { type Middlewares, type ModuleClass, type ModuleDefinition, modulePathOf } from './modules/module.ts'
export { type Answer, json, type ParsedMessage, type Parser, raw, token } from './wire/parsers.ts'
export type { Schema } from './modules/schema.ts'
export type { NumberOption, OptionRow } from './option-row.ts'
export { type CompressionOptions, optionTable, type ServerOptions } from './options.ts'
export type { Codec } from './envelope/envelope.ts'
export { JsonSource } from './lib/json-source.ts'
export { parsePushBody, type PushCall } from './push/push-body.ts'
export type { Local } from './delivery/local.ts'
export type { ListenOptions } from './admission/listening.ts'
export { createServer, type Server, type ServerStats } from './server.ts'
