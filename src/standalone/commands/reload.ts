import { isDeepStrictEqual } from 'node:util'
import { CliError, reasonOf } from '../common/cli-error.ts'
import type { Config } from '../config/config-check.ts'
import { flags } from '../config/flags.ts'
import { readTls, type Tls } from '../config/tls.ts'
import type { Serving } from './serve.ts'

type Key = keyof Config

/**
 * What can change while the server runs, by the settings that it comes from. A row has every setting but `dev` that
 * `apply` reads, so that none of them changes in silence.
 */
const live: readonly { readonly keys: readonly Key[]; readonly apply: (serving: Serving, config: Config) => void }[] = [
  {
    keys: ['origins', 'tokens', 'groupsClaim', 'clockTolerance'],
    apply: ({ handshake }, config) => handshake.use(config),
  },
  { keys: ['apiKey'], apply: ({ apiKey }, config) => apiKey.change(config.apiKey) },
]

/** The settings as flags name them. `Config` has some of them under one name together. */
const together: Partial<Record<Key, string>> = {
  listen: '--host, --port or --unix',
  store: '--driver, --redis, --durability or --isolated',
  tokens: '--token-secret, --jwks, --token-issuer or --token-audience',
}

/** Reads the settings again, and applies those that can change while the server runs. */
export class Reload {
  readonly #serving: Serving
  readonly #load: () => Promise<Config>
  #config: Config
  #tls: Tls | undefined
  #running = Promise.resolve()

  constructor(serving: Serving, load: () => Promise<Config>) {
    this.#serving = serving
    this.#load = load
    this.#config = serving.config
    this.#tls = serving.tls
  }

  /** Never rejects: if a setting is wrong, all stay as they are. */
  run(): Promise<void> {
    this.#running = this.#running.then(() => this.#run())
    return this.#running
  }

  async #run(): Promise<void> {
    const { logger } = this.#serving
    try {
      const config = await this.#load()
      const tls = await readTls(config)
      const done = this.#apply(config, tls)
      // The line comes if either of the two levels shows it.
      if (!logger.isLevelEnabled('info')) logger.level = config.logLevel
      logger.info(done, 'the settings were read again')
      logger.level = config.logLevel
    } catch (error) {
      const reason = error instanceof CliError ? error.message : reasonOf(error)
      logger.error({ reason }, 'the settings were read again, but something is wrong with them: all stay as they were')
    }
  }

  #apply(config: Config, tls: Tls | undefined): { changed: string[]; needRestart: string[] } {
    const differing = this.#differing(config)
    const changed = new Set<Key>(differing.filter((key) => key === 'logLevel'))
    if (tls !== undefined && this.#tls !== undefined && !isDeepStrictEqual(tls, this.#tls)) {
      this.#serving.server.setTls(tls)
      this.#tls = tls
      changed.add('tlsCert').add('tlsKey')
    }
    // With another --dev, the others mean something else: without a token secret, say, it lets anyone be anyone.
    for (const { keys, apply } of config.dev === this.#config.dev ? live : []) {
      const own = differing.filter((key) => keys.includes(key))
      if (own.length > 0) apply(this.#serving, config)
      for (const key of own) changed.add(key)
    }
    const taken = Object.fromEntries([...changed].map((key) => [key, config[key]]))
    this.#config = { ...this.#config, ...taken }
    const needRestart = differing.filter((key) => !changed.has(key))
    return { changed: [...changed].map(nameOf), needRestart: needRestart.map(nameOf) }
  }

  #differing(config: Config): Key[] {
    const keys = new Set([...Object.keys(config), ...Object.keys(this.#config)]) as Set<Key>
    return [...keys].filter((key) => !isDeepStrictEqual(comparable(config[key]), comparable(this.#config[key])))
  }
}

/** A config file in JavaScript makes its modules anew each time it is read. */
function comparable(value: unknown): unknown {
  return Array.isArray(value) ? value.map((item: unknown) => (typeof item === 'string' ? item : 'a module')) : value
}

function nameOf(key: Key): string {
  const flag = flags.find((known) => known.key === key)
  return together[key] ?? (flag === undefined ? `"${key}"` : `--${flag.name}`)
}
