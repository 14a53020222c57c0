import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { mortal } from './mortal.ts'

/** A real process, with the output it has printed so far. It never outlives the tests. */
export class Child {
  readonly #process: ChildProcess
  readonly #listeners = new Set<() => void>()
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  stdout = ''
  stderr = ''
  #exit: { code: number | null; signal: NodeJS.Signals | null } | undefined

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.#process = mortal(spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] }))
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#add('stdout', text))
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => this.#add('stderr', text))
    this.exited = new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#exit = { code, signal }
        resolve(this.#exit)
        this.#heard()
      }
      this.#process.once('close', ended)
      this.#process.once('error', (error) => {
        this.stderr += String(error)
        ended(null, null)
      })
    })
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get running(): boolean {
    return this.#exit === undefined
  }

  /** The first match in the output. Rejects if the process ends without one, or does not print one in time. */
  async said(
    pattern: RegExp,
    { on = 'stdout', timeout = 180_000 }: { on?: 'stdout' | 'stderr'; timeout?: number } = {},
  ): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeout
    for (;;) {
      const match = pattern.exec(this[on])
      if (match !== null) return match
      const left = deadline - performance.now()
      if (!this.running || left <= 0) throw new Error(this.#silence(pattern))
      await this.#next(left)
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#process.kill(signal)
  }

  /** SIGSTOP: the process stands still, as in a paused virtual machine. Its connections stay open. */
  pause(): void {
    this.signal('SIGSTOP')
  }

  resume(): void {
    this.signal('SIGCONT')
  }

  async kill9(): Promise<void> {
    this.signal('SIGKILL')
    await this.exited
  }

  #add(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text
    this.#heard()
  }

  #heard(): void {
    for (const listener of this.#listeners) listener()
  }

  #next(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#listeners.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeout)
      this.#listeners.add(done)
    })
  }

  #silence(pattern: RegExp): string {
    const state = this.#exit === undefined ? 'still runs' : `ended with ${this.#exit.code ?? this.#exit.signal}`
    return `never said ${pattern}; it ${state}.\nstdout: ${this.stdout}\nstderr: ${this.stderr}`
  }
}
