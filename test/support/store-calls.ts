import { Redis } from 'ioredis'

interface Call {
  /** In small letters. */
  readonly name: string
  readonly args: readonly string[]
  /** The client that it came from, by its address. */
  readonly source: string
}

/** What one server is asked while it is watched, by MONITOR: by its clients, and by scripts. */
export class StoreCalls {
  readonly byClients: Call[] = []
  readonly byScripts: Call[] = []
  readonly #monitor: Redis
  readonly #marker: Redis
  #readCount = 0

  private constructor(monitor: Redis, marker: Redis) {
    this.#monitor = monitor
    this.#marker = marker
  }

  static async start(url: string): Promise<StoreCalls> {
    const marker = new Redis(url)
    const log = new StoreCalls(await marker.monitor(), marker)
    await log.#mark('begins')
    log.#monitor.on('monitor', (_time: string, [name = '', ...args]: string[], source: string) => {
      const calls = source === 'lua' ? log.byScripts : log.byClients
      if (args[0]?.startsWith(MARK) !== true) calls.push({ name: name.toLowerCase(), args, source })
    })
    return log
  }

  /** What clients have asked for until now with a word in it, or some words next to each other. */
  async naming(...words: readonly string[]): Promise<readonly Call[]> {
    await this.#mark(`is read ${++this.#readCount} times`)
    const isNamed = ({ args }: Call): boolean =>
      args.some((_, start) => words.every((word, index) => args[start + index]?.includes(word)))
    return this.byClients.filter(isNamed)
  }

  /** Ends once all that was asked before is noted. */
  async stop(): Promise<void> {
    await this.#mark('ends')
    this.#monitor.removeAllListeners('monitor')
    this.#marker.disconnect()
    this.#monitor.disconnect()
  }

  async #mark(what: string): Promise<void> {
    const text = MARK + what
    const seen = new Promise<void>((resolve) => {
      const listen = (_time: string, args: string[]): void => {
        if (args[1] !== text) return
        this.#monitor.off('monitor', listen)
        resolve()
      }
      this.#monitor.on('monitor', listen)
    })
    await this.#marker.echo(text)
    await seen
  }
}

const MARK = 'the log '
