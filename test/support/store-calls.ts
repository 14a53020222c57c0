import { Redis } from 'ioredis'

interface Call {
  /** In small letters. */
  readonly name: string
  readonly args: readonly string[]
}

/** What one server is asked while it is watched, by MONITOR: by its clients, and by scripts. */
export class StoreCalls {
  readonly byClients: Call[] = []
  readonly byScripts: Call[] = []
  readonly #monitor: Redis
  readonly #marker: Redis

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
      if (!args.includes('the log ends')) calls.push({ name: name.toLowerCase(), args })
    })
    return log
  }

  /** Ends once all that was asked before is noted. */
  async stop(): Promise<void> {
    await this.#mark('ends')
    this.#monitor.removeAllListeners('monitor')
    this.#marker.disconnect()
    this.#monitor.disconnect()
  }

  async #mark(what: 'begins' | 'ends'): Promise<void> {
    const text = `the log ${what}`
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
