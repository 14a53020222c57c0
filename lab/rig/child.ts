import { type ChildProcess, spawn } from 'node:child_process'
import { mortal } from '../../test/support/mortal.ts'
import { type Core, pinned } from './cores.ts'
import { Cpu } from './cpu.ts'
import { LabError } from './lab-error.ts'

const END_PATIENCE = 10_000
const LAST_WORDS = 20
const KEPT_OUTPUT = 20_000

interface ChildOptions {
  readonly name: string
  readonly core: Core
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly ipc?: boolean
}

/** A process that the lab starts, on the core that it belongs to. */
export class Child {
  readonly name: string
  readonly cpu: Cpu
  readonly process: ChildProcess
  readonly #ended: Promise<void>
  #output = ''
  #isStopping = false
  #hasEnded = false
  #listener: (() => void) | undefined

  constructor({ name, core, command, args, env = {}, ipc = false }: ChildOptions) {
    this.name = name
    const [program, programArgs] = pinned(core, command, args)
    this.process = mortal(
      spawn(program, programArgs, {
        stdio: ['pipe', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
        env: { ...process.env, NODE_ENV: 'production', ...env },
      }),
    )
    this.cpu = new Cpu(this.process.pid ?? 0)
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
    }
    this.#ended = new Promise((resolve) => {
      this.process.once('error', (error) => this.#end(String(error), resolve))
      // The 'close' event cannot be used, because it never comes after disconnect(). The last output may arrive a
      // moment after the exit.
      this.process.once('exit', () => setTimeout(() => this.#end('', resolve), LAST_WORDS))
    })
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  /** Everything that it printed, or the end of it if it printed too much. */
  get output(): string {
    return this.#output
  }

  /** Rejects once the process has ended by itself. Use it in a race with something that the process should do. */
  async failed(): Promise<never> {
    await this.#ended
    if (this.#isStopping) return new Promise(() => {})
    throw new LabError(`${this.name} ended by itself. It said: ${this.#output.trim() || 'nothing'}`)
  }

  /** Resolves once the output matches. */
  async said(pattern: RegExp): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      this.#listener = () => {
        if (pattern.test(this.#output)) resolve()
      }
    })
    this.#listener?.()
    await Promise.race([heard, this.failed()])
    this.#listener = undefined
  }

  /** If `gently`, disconnects so that the process ends by itself; otherwise kills it. Calling it twice is safe. */
  async stop({ gently = false }: { gently?: boolean } = {}): Promise<void> {
    this.#isStopping = true
    if (this.#hasEnded) return
    if (gently && this.process.connected) this.process.disconnect()
    else this.process.kill('SIGKILL')
    const timer = setTimeout(() => this.process.kill('SIGKILL'), END_PATIENCE)
    await this.#ended
    clearTimeout(timer)
  }

  #keep(text: string): void {
    this.#output = (this.#output + text).slice(-KEPT_OUTPUT)
    this.#listener?.()
  }

  #end(why: string, resolve: () => void): void {
    this.#output += why
    this.#hasEnded = true
    resolve()
  }
}
