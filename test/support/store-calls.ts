import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'

interface Call {
  /** In small letters. */
  readonly name: string
  readonly args: readonly string[]
  /** The client that it came from, by its address. */
  readonly source: string
}

const MARK = 'the log '

/**
 * What one server is asked while it is watched, by MONITOR: by its clients, and by scripts. The client library's monitor
 * takes what others ask before MONITOR is answered for that answer, so this has a socket of its own.
 */
export class StoreCalls {
  readonly byClients: Call[] = []
  readonly byScripts: Call[] = []
  readonly #monitor: Socket
  readonly #marker: Redis
  readonly #seenMarks = new Set<string>()
  #readCount = 0
  #isWatching = false

  private constructor(monitor: Socket, marker: Redis) {
    this.#monitor = monitor
    this.#marker = marker
    createInterface(monitor).on('line', (line) => this.#note(line))
  }

  static async start(url: string): Promise<StoreCalls> {
    const { hostname, port } = new URL(url)
    const monitor = connect(Number(port), hostname)
    await once(monitor, 'connect')
    const log = new StoreCalls(monitor, new Redis(url))
    // Answered at once; what comes before it is not noted.
    monitor.write('MONITOR\r\n')
    await log.#mark('begins')
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
    this.#isWatching = false
    this.#monitor.destroy()
    this.#marker.disconnect()
  }

  /** Two connections: the mark may come before MONITOR does, so it is made until it is seen. */
  async #mark(what: string): Promise<void> {
    const text = MARK + what
    while (!this.#seenMarks.has(text)) {
      await this.#marker.echo(text)
      await new Promise((resolve) => void setImmediate(resolve))
    }
    this.#isWatching = true
  }

  /** `+time [database source] "WORD" …` */
  #note(line: string): void {
    const [, source, rest] = /^\+\S+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? []
    if (source === undefined || rest === undefined) return
    const [name = '', ...args] = Array.from(rest.matchAll(/"((?:[^"\\]|\\.)*)"/g), ([, word]) => unescaped(word!))
    if (args[0]?.startsWith(MARK) === true) this.#seenMarks.add(args[0])
    else if (this.#isWatching)
      (source === 'lua' ? this.byScripts : this.byClients).push({ name: name.toLowerCase(), args, source })
  }
}

/** As Redis writes words down: `\x00`, `\"`, `\n` and the like. */
function unescaped(word: string): string {
  return word.replaceAll(/\\(x[0-9a-f]{2}|.)/gi, (_, code: string) => {
    if (code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return { n: '\n', r: '\r', t: '\t', a: '\u0007', b: '\b' }[code] ?? code
  })
}
