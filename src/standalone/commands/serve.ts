import { isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  createServer,
  type FlotillaError,
  isFlotillaError,
  type Logger,
  type Server,
  type ServerOptions,
} from '../../index.ts'
import { CliError, reasonOf, systemCode, usageError } from '../common/cli-error.ts'
import type { Config, Listen } from '../config/config-check.ts'
import { addressOf, openDriver, withFlags } from '../config/driver.ts'
import { flags } from '../config/flags.ts'
import { LiveHandshake } from '../config/live-handshake.ts'
import { createLogger, holdingWarnings, type LevelledLogger } from '../config/logger.ts'
import { loadModules } from '../config/modules.ts'
import { optionKeys } from '../config/option-keys.ts'
import { readTls, type Tls } from '../config/tls.ts'
import { ApiKey } from '../http/api-key.ts'
import { createHttp } from '../http/http.ts'
import { removeDeadSocket } from '../http/unix-socket.ts'

export interface Serving {
  readonly server: Server
  readonly logger: LevelledLogger
  readonly url: string
  readonly config: Config
  readonly tls: Tls | undefined
  readonly handshake: LiveHandshake
  readonly apiKey: ApiKey
}

const CLOSE_PATIENCE = 200

/**
 * Makes the server, connects to the store, and listens.
 *
 * @throws CliError whose one line says what to do.
 */
export async function serve(config: Config): Promise<Serving> {
  const logger = await createLogger(config)
  tellIgnored(config, logger)
  const tls = await readTls(config)
  const handshake = new LiveHandshake(config)
  const apiKey = new ApiKey(config.apiKey, logger)
  const server = makeServer(await optionsOf(config, logger, tls, handshake), config, logger, apiKey)
  try {
    const url = await holdingWarnings(logger, () => listen(server, config))
    return { server, logger, url, config, tls, handshake, apiKey }
  } catch (error) {
    // Do not wait for long: close() may wait for a store that is away, and this server has nothing to hand over.
    await Promise.race([server.close({ timeout: 0 }), sleep(CLOSE_PATIENCE)]).catch((reason: unknown) => {
      logger.debug({ error: reason }, 'could not close')
    })
    throw error
  }
}

function tellIgnored({ ignoredVariables }: Config, logger: Logger): void {
  if (ignoredVariables.length === 0) return
  const message = `${ignoredVariables.join(', ')} ignored: Kubernetes and Docker set it for a service named flotilla. Use flags, or enableServiceLinks: false in the pod`
  logger.info({ ignoredVariables }, message)
}

async function optionsOf(
  config: Config,
  logger: Logger,
  tls: Tls | undefined,
  { middleware }: LiveHandshake,
): Promise<ServerOptions> {
  const given = optionKeys.filter((name) => config[name] !== undefined).map((name) => [name, config[name]] as const)
  return {
    ...(Object.fromEntries(given) as Partial<ServerOptions>),
    modules: await loadModules(config),
    driver: await openDriver(config.store),
    middleware: { handshake: [middleware] },
    logger,
    ...(tls !== undefined && { tls }),
  }
}

function makeServer(options: ServerOptions, config: Config, logger: Logger, apiKey: ApiKey): Server {
  try {
    const server = createServer({ ...options, http: (incoming, outgoing) => http(incoming, outgoing) })
    const http = createHttp(server, config, logger, apiKey)
    return server
  } catch (error) {
    if (!isFlotillaError(error)) throw error
    if (error.code === 'FLT_NOT_SHARED') throw usageError(NOT_SHARED)
    const flag = flags.find(({ key }) => new RegExp(`\\b${key}\\b`).test(error.message))
    throw usageError(flag === undefined ? error.message : `--${flag.name}: ${error.message}`)
  }
}

const NOT_SHARED =
  'this process is one of several workers (node:cluster or pm2), so a push would miss the clients of the others: give --redis the URL of a Redis that all of them share, or give --isolated to make each a cluster of its own'

async function listen(server: Server, config: Config): Promise<string> {
  const { listen: at } = config
  if (at.type === 'unix') await removeDeadSocket(at.path)
  try {
    return await server.listen(at.type === 'unix' ? { unix: at.path } : { host: at.host, port: at.port })
  } catch (error) {
    const message = isFlotillaError(error) ? storeFlaw(error, config) : listenFlaw(error, at)
    throw new CliError(message, undefined, { cause: error })
  }
}

function storeFlaw(error: FlotillaError, { store, connectTimeout }: Config): string {
  const place = `the store at ${addressOf(store)}`
  const why = withFlags(reasonOf(error).replace(/^url: /, ''))
  if (error.code === 'FLT_BAD_OPTION') return `cannot use ${place}, --redis: ${why}`
  // The reason of the last attempt says it without the time, which stands here already.
  const last = error.cause instanceof Error && isFlotillaError(error.cause) ? withFlags(reasonOf(error.cause)) : why
  return `cannot reach ${place} within ${connectTimeout} ms (--redis): ${last}`
}

function listenFlaw(error: unknown, at: Listen): string {
  const flag = at.type === 'unix' ? '--unix' : '--port'
  const place = at.type === 'unix' ? at.path : `${isIPv6(at.host) ? `[${at.host}]` : at.host}:${at.port}`
  switch (systemCode(error)) {
    case 'EADDRINUSE':
      return `${place} is taken by another process: stop it, or choose another with ${flag}`
    case 'EACCES':
      return at.type === 'unix'
        ? `${place} cannot be created: check that its folder exists and that this user may write to it, or choose another with --unix`
        : `${place} needs rights that this user does not have: choose another with ${flag}`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${place} is not an address of this machine: choose another with --host`
    default:
      return `cannot listen on ${place}: ${reasonOf(error)}`
  }
}
