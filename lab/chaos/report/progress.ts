import type { Clock } from '../clock.ts'
import type { History } from '../history.ts'
import type { Settings } from '../settings.ts'

const [EVERY_ON_TERMINAL, EVERY_ELSEWHERE] = [250, 5_000]

export interface Watched {
  readonly settings: Settings
  readonly history: History
  readonly clock: Clock
  received(): number
}

/**
 * Shows the state of the run on stderr: in a terminal one line that is rewritten, otherwise a line every few seconds.
 */
export class Progress {
  #watched: Watched | undefined
  #timer: NodeJS.Timeout | undefined
  #last = { at: 0, pushes: 0, received: 0 }
  #settled = { upTo: 0, failed: 0 }

  begin(watched: Watched): void {
    const { seed, nodes, store, clients, rate, seconds } = watched.settings
    process.stderr.write(
      `seed ${seed}: ${nodes} nodes, store ${store}, ${clients} clients, ${rate} pushes a second for ${seconds} s\n`,
    )
    this.#watched = watched
    this.#last = { at: watched.clock.now, pushes: 0, received: 0 }
    this.#settled = { upTo: 0, failed: 0 }
    this.#timer = setInterval(() => this.#tell(), process.stderr.isTTY ? EVERY_ON_TERMINAL : EVERY_ELSEWHERE)
  }

  /** Prints a line that is not overwritten. */
  note(text: string): void {
    const at = ((this.#watched?.clock.now ?? 0) / 1_000).toFixed(1).padStart(6)
    process.stderr.write(`${process.stderr.isTTY ? '\r\u001b[K' : ''}${at} s  ${text}\n`)
  }

  end(): void {
    clearInterval(this.#timer)
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  }

  #tell(): void {
    const { history, clock, received } = this.#watched!
    const now = { at: clock.now, pushes: history.pushes.length, received: received() }
    const seconds = (now.at - this.#last.at) / 1_000
    const pushRate = Math.round((now.pushes - this.#last.pushes) / seconds)
    const receiveRate = Math.round((now.received - this.#last.received) / seconds)
    const open = history.connections.filter(({ closedAt }) => closedAt === Number.POSITIVE_INFINITY).length
    const line = `${pushRate} pushes/s, ${receiveRate} received/s, ${open} connected, ${this.#failed()} failed`
    this.#last = now
    const at = (now.at / 1_000).toFixed(1).padStart(6)
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${at} s  ${line}` : `${at} s  ${line}\n`)
  }

  #failed(): number {
    const { pushes } = this.#watched!.history
    const settled = this.#settled
    for (; settled.upTo < pushes.length && pushes[settled.upTo]!.outcome !== 'pending'; settled.upTo++) {
      if (pushes[settled.upTo]!.outcome !== 'resolved') settled.failed++
    }
    return settled.failed
  }
}
