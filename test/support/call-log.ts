import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { until } from './until.ts'

export interface Call {
  /** The connection that it came over. */
  readonly source: string
  /** Its words, each in quotation marks. */
  readonly text: string
}

/** Every command that clients have sent to a Redis since this began; not what scripts call. Redis: MONITOR. */
export class CallLog implements AsyncDisposable {
  readonly #monitor: Socket
  readonly #asker: Socket
  readonly #calls: Call[] = []
  readonly #marks = new Set<string>()
  #markCount = 0

  private constructor(monitor: Socket, asker: Socket) {
    this.#monitor = monitor
    this.#asker = asker
    createInterface(monitor).on('line', (line) => this.#note(line))
    asker.resume()
  }

  static async start(port: number): Promise<CallLog> {
    const [monitor, asker] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
    await Promise.all([once(monitor, 'connect'), once(asker, 'connect')])
    const log = new CallLog(monitor, asker)
    monitor.write('MONITOR\r\n')
    await log.calls()
    return log
  }

  /** All that were answered before this was called. */
  async calls(): Promise<readonly Call[]> {
    const mark = `mark-${++this.#markCount}`
    await until('the log is complete', () => {
      if (!this.#marks.has(mark)) this.#asker.write(`ECHO ${mark}\r\n`)
      return this.#marks.has(mark)
    })
    return [...this.#calls]
  }

  /** Those that name something in their keys or arguments. */
  async naming(name: string): Promise<readonly Call[]> {
    return (await this.calls()).filter(({ text }) => text.includes(name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [this.#monitor, this.#asker]) socket.destroy()
  }

  /** "+time [database source] "WORD" …" */
  #note(line: string): void {
    const [, source, text] = /^\+\S+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? []
    if (source === undefined || text === undefined || source === 'lua') return
    const [, mark] = /^"ECHO" "(.*)"$/.exec(text) ?? []
    if (mark === undefined) this.#calls.push({ source, text })
    else this.#marks.add(mark)
  }
}
