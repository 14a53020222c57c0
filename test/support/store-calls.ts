import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'

interface Call {
  /** The command in lower case. */
  readonly name: string
  readonly args: readonly string[]
  /** The address of the client that sent it. */
  readonly source: string
}

const MARK = 'the log '

/**
 * Records all commands that one server gets from clients and scripts, by MONITOR. It has a socket of its own, because
 * the client library's monitor would take a command of another client for the answer to MONITOR.
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
    // Redis answers at once. Commands count from the first mark on.
    monitor.write('MONITOR\r\n')
    await log.#mark('begins')
    return log
  }

  /** The clients' commands so far that contain a word, or some words next to each other. */
  async naming(...words: readonly string[]): Promise<readonly Call[]> {
    await this.#mark(`is read ${++this.#readCount} times`)
    const isNamed = ({ args }: Call): boolean =>
      args.some((_, start) => words.every((word, index) => args[start + index]?.includes(word)))
    return this.byClients.filter(isNamed)
  }

  /** Resolves once all commands that were sent before are recorded. */
  async stop(): Promise<void> {
    await this.#mark('ends')
    this.#isWatching = false
    this.#monitor.destroy()
    this.#marker.disconnect()
  }

  /** Repeats the mark until it is seen, because it goes over another connection and may arrive before MONITOR does. */
  async #mark(what: string): Promise<void> {
    const text = MARK + what
    while (!this.#seenMarks.has(text)) {
      await this.#marker.echo(text)
      await new Promise((resolve) => void setImmediate(resolve))
    }
    this.#isWatching = true
  }

  /** Reads a line of the form `+time [database source] "WORD" …`. */
  #note(line: string): void {
    const [, source, rest] = /^\+\S+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? []
    if (source === undefined || rest === undefined) return
    const [name = '', ...args] = Array.from(rest.matchAll(/"((?:[^"\\]|\\.)*)"/g), ([, word]) => unescaped(word!))
    if (args[0]?.startsWith(MARK) === true) this.#seenMarks.add(args[0])
    else if (this.#isWatching)
      (source === 'lua' ? this.byScripts : this.byClients).push({ name: name.toLowerCase(), args, source })
  }
}

/** Undoes the escapes that Redis writes, such as `\x00`, `\"` and `\n`. */
function unescaped(word: string): string {
  return word.replaceAll(/\\(x[0-9a-f]{2}|.)/gi, (_, code: string) => {
    if (code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return { n: '\n', r: '\r', t: '\t', a: '\u0007', b: '\b' }[code] ?? code
  })
}
