import { isatty } from 'node:tty'
import { ExitCode } from '../common/cli-error.ts'

/** What the sender of a signal wants: `drain` closes without haste, `close` at once. */
type Wish = 'drain' | 'close' | 'reload'

/**
 * In ms. Ctrl-C reaches this process from the terminal and again from npm: two signals so close together count as one.
 */
const SAME_SIGNAL = 200

/** The signals that people and programs send to a server. */
export class Signals {
  /** Resolves at the first signal that asks to close. */
  readonly ended: Promise<{ readonly signal: string; readonly drains: boolean }>
  /** Resolves if another signal comes while the server drains, because its sender does not want to wait. */
  readonly hurried: Promise<void>
  #end!: (ended: { signal: string; drains: boolean }) => void
  #hurry!: () => void
  #stage: 'open' | 'draining' | 'closing' = 'open'
  #askedAt = Number.NEGATIVE_INFINITY
  #reload: (() => void) | undefined
  #mustReload = false

  constructor() {
    this.ended = new Promise((resolve) => (this.#end = resolve))
    this.hurried = new Promise((resolve) => (this.#hurry = resolve))
    for (const [signal, wish] of Object.entries(wishes())) process.on(signal, () => this.#take(signal, wish))
  }

  /** Calls `reload` at each signal that asks for it, and at once if there was one before. */
  onReload(reload: () => void): void {
    this.#reload = reload
    if (this.#mustReload) reload()
  }

  /** From now on another signal ends the process at once. */
  closing(): void {
    this.#stage = 'closing'
  }

  #take(signal: string, wish: Wish): void {
    if (wish !== 'reload') return this.#close(signal, wish)
    if (this.#reload === undefined) this.#mustReload = true
    else this.#reload()
  }

  #close(signal: string, wish: 'drain' | 'close'): void {
    const now = performance.now()
    if (now - this.#askedAt <= SAME_SIGNAL) return
    this.#askedAt = now
    if (this.#stage === 'closing') process.exit(ExitCode.failed)
    if (this.#stage === 'draining') this.#hurry()
    this.#end({ signal, drains: wish === 'drain' })
    this.#stage = wish === 'drain' && this.#stage === 'open' ? 'draining' : 'closing'
  }
}

function wishes(): Record<string, Wish> {
  return {
    SIGTERM: 'drain',
    // Docker images of web servers ask for a graceful end by it.
    SIGQUIT: 'drain',
    SIGINT: 'close',
    // nodemon sends it and then waits for the end.
    SIGUSR2: 'close',
    // On a terminal it says that the terminal is gone.
    SIGHUP: isatty(0) ? 'close' : 'reload',
  }
}
