import { createServer, isFlotillaError, type Logger, type Server, type ServerOptions } from '../index.ts'
import { CliError, reasonOf, systemCode, usageError } from './cli-error.ts'
import type { Config, Listen } from './config-check.ts'
import { addressOf, openDriver } from './driver.ts'
import { flags } from './flags.ts'
import { createHttp } from './http.ts'
import { handshakeMiddleware } from './identity.ts'
import { createLogger } from './logger.ts'
import { loadModules } from './modules.ts'
import { readTls } from './tls.ts'
import { removeDeadSocket } from './unix-socket.ts'

export interface Serving {
  readonly server: Server
  readonly logger: Logger
  readonly url: string
}

/** What createServer takes as it was given. */
const PASSED_ON = [
  'name',
  'url',
  'prefix',
  'heartbeat',
  'deadAfter',
  'pingInterval',
  'consumers',
  'maxPayload',
  'maxPending',
  'maxConnectionsPerUid',
  'storeWait',
  'connectTimeout',
  'maxInboxBytes',
  'handshakeTimeout',
  'trustProxy',
  'codec',
] as const satisfies readonly (keyof Config & keyof ServerOptions)[]

/**
 * Makes the server, meets the store, and listens.
 *
 * @throws CliError whose one line says what to do.
 */
export async function serve(config: Config): Promise<Serving> {
  const logger = await createLogger(config)
  const server = makeServer(await optionsOf(config, logger), config, logger)
  try {
    await meetStore(server, config)
    return { server, logger, url: await listen(server, config.listen) }
  } catch (error) {
    await server.close({ timeout: 0 }).catch((reason: unknown) => logger.debug({ error: reason }, 'could not close'))
    throw error
  }
}

async function optionsOf(config: Config, logger: Logger): Promise<ServerOptions> {
  const given = PASSED_ON.filter((name) => config[name] !== undefined).map((name) => [name, config[name]] as const)
  const tls = await readTls(config)
  return {
    ...(Object.fromEntries(given) as Partial<ServerOptions>),
    modules: await loadModules(config),
    driver: await openDriver(config.store),
    middleware: { handshake: handshakeMiddleware(config) },
    logger,
    ...(tls !== undefined && { tls }),
  }
}

function makeServer(options: ServerOptions, config: Config, logger: Logger): Server {
  try {
    const server = createServer({ ...options, http: (incoming, outgoing) => http(incoming, outgoing) })
    const http = createHttp(server, config, logger)
    return server
  } catch (error) {
    if (!isFlotillaError(error)) throw error
    const flag = flags.find(({ key }) => new RegExp(`\\b${key}\\b`).test(error.message))
    throw usageError(flag === undefined ? error.message : `--${flag.name}: ${error.message}`)
  }
}

async function meetStore(server: Server, { store, connectTimeout }: Config): Promise<void> {
  try {
    await server.ready()
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    const flag = store.type === 'redis' ? '--redis' : '--driver'
    throw new CliError(
      `cannot reach the store at ${addressOf(store)} within ${connectTimeout} ms (${redact(reasonOf(cause))}): is it running, is ${flag} right?`,
      undefined,
      { cause: error },
    )
  }
}

/** A driver may name the URL that it was given. */
function redact(text: string): string {
  return text.replaceAll(/\/\/([^\s:@/]*):[^\s@/]+@/g, '//$1:***@')
}

async function listen(server: Server, at: Listen): Promise<string> {
  if (at.type === 'unix') {
    await removeDeadSocket(at.path)
    await server.listen({ unix: at.path }).catch((error: unknown) => refuse(error, '--unix', at.path))
    return `unix:${at.path}`
  }
  return await server
    .listen({ port: at.port, host: at.host })
    .catch((error: unknown) => refuse(error, '--port', `${at.host}:${at.port}`))
}

function refuse(error: unknown, flag: string, place: string): never {
  const reasons: Record<string, string> = {
    EADDRINUSE: `${place} is taken by another process: stop it, or choose another with ${flag}`,
    EACCES: `${place} needs rights that this user does not have: choose another with ${flag}`,
    EADDRNOTAVAIL: `${place} is not an address of this machine: choose another with --host`,
    ENOTFOUND: `${place} is not a host that can be found: choose another with --host`,
  }
  const reason = reasons[systemCode(error) ?? ''] ?? `cannot listen on ${place}: ${reasonOf(error)}`
  throw new CliError(reason, undefined, { cause: error })
}
