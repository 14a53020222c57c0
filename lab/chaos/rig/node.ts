import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../../test/support/free-port.ts'
import { mortal } from '../../../test/support/mortal.ts'
import { cli, READY } from '../../../test/support/start-node.ts'
import { LabError } from '../../rig/lab-error.ts'
import type { Clock } from '../clock.ts'
import type { History, NodeEvent } from '../history.ts'
import { type ClockSkew, skewedEnvironment } from './clock-skew.ts'

const chaosModule = fileURLToPath(new URL('../nodes/module.mjs', import.meta.url))
const START_PATIENCE = 120_000
const STOP_PATIENCE = 20_000
const RETRY_PAUSE = 250
/** How many ms a starving node runs in each slice. */
const SLICE = 10

export interface NodePlan {
  readonly slot: number
  readonly redis: string
  readonly heartbeat: number
  readonly deadAfter: number
  /** The file for its logs. */
  readonly logFile: string
}

/** A slot in the cluster: one server process at a time, always on the same port. */
export class Node {
  readonly slot: number
  readonly #plan: NodePlan
  readonly #history: History
  readonly #clock: Clock
  readonly #log: WriteStream
  #child: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  #isStopping = false
  #id = ''
  #port = 0
  #life = 0
  #isReady = false
  #isRejoining = false
  #pausedAt = Number.POSITIVE_INFINITY

  constructor(plan: NodePlan, history: History, clock: Clock) {
    this.slot = plan.slot
    this.#plan = plan
    this.#history = history
    this.#clock = clock
    this.#log = createWriteStream(plan.logFile)
  }

  /** 0 before the first start. */
  get port(): number {
    return this.#port
  }

  /** The id of its current process in the cluster. */
  get id(): string {
    return this.#id
  }

  get life(): number {
    return this.#life
  }

  /** Whether it accepts connections and reads from them. */
  get isUp(): boolean {
    return this.#isReady && this.#pausedAt === Number.POSITIVE_INFINITY
  }

  /** How many ms it has been paused for. */
  get pausedFor(): number {
    return this.#isReady ? this.#clock.now - this.#pausedAt : 0
  }

  /** Starts the process. Tries again until it runs, as a supervisor would while the store is away. */
  async start(skew?: ClockSkew): Promise<void> {
    const deadline = performance.now() + START_PATIENCE
    for (;;) {
      // Until the node has run for the first time, another program may take the free port that was chosen.
      if (this.#id === '') this.#port = await freePort()
      if (await this.#tryStart(skew)) return
      if (performance.now() > deadline) throw new LabError(`n${this.slot} did not start: see ${this.#plan.logFile}`)
      await sleep(RETRY_PAUSE)
    }
  }

  pause(): void {
    if (this.#child === undefined || this.#pausedAt !== Number.POSITIVE_INFINITY) return
    this.#pausedAt = this.#clock.now
    this.#note('paused')
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    if (this.#pausedAt === Number.POSITIVE_INFINITY) return
    this.#child?.kill('SIGCONT')
    this.#pausedAt = Number.POSITIVE_INFINITY
    if (this.#child !== undefined) this.#note('resumed')
  }

  /** Gives it a tenth of a core for this long, in slices, and then all of a core again. */
  async starve(ms: number): Promise<void> {
    const child = this.#child
    const until = this.#clock.now + ms
    try {
      while (this.#clock.now < until) {
        child?.kill('SIGSTOP')
        await sleep(9 * SLICE)
        child?.kill('SIGCONT')
        await sleep(SLICE)
      }
    } finally {
      child?.kill('SIGCONT')
    }
  }

  async kill9(): Promise<void> {
    if (this.#child === undefined) return
    this.#isStopping = true
    this.#isReady = false
    this.#note('killed')
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Sends SIGTERM as an orchestrator does, and kills the process if that takes too long. */
  async stop(): Promise<void> {
    if (this.#child === undefined) return
    this.#isStopping = true
    this.#isReady = false
    this.#note('stopped')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => void this.kill9(), STOP_PATIENCE)
    await this.#ended
    clearTimeout(timer)
  }

  /** Ends it for good. */
  async end(): Promise<void> {
    await this.kill9()
    this.#log.end()
  }

  #tryStart(skew: ClockSkew | undefined): Promise<boolean> {
    const { slot, redis, heartbeat, deadAfter } = this.#plan
    const flags = {
      name: `n${slot}`,
      port: this.#port,
      redis,
      heartbeat,
      'dead-after': deadAfter,
      module: chaosModule,
      'log-level': 'debug',
    }
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = mortal(
      spawn(process.execPath, [cli, 'start', '--dev', '--no-echo', ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...skewedEnvironment(skew) },
      }),
    )
    this.#child = child
    this.#life++
    this.#isStopping = false
    this.#pausedAt = Number.POSITIVE_INFINITY
    return new Promise((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [, id] = READY.exec(line) ?? []
        if (id === undefined) return
        this.#id = id
        this.#isReady = true
        this.#note('ready')
        resolve(true)
      })
      createInterface({ input: child.stderr }).on('line', (line) => this.#heard(line))
      this.#ended = new Promise((ended) => {
        child.once('exit', () => {
          this.#isReady = false
          if (!this.#isStopping && this.#child === child) this.#note('died')
          this.#child = undefined
          ended()
          resolve(false)
        })
      })
    })
  }

  #heard(line: string): void {
    this.#log.write(`${(this.#clock.now / 1_000).toFixed(3)} ${line}\n`)
    if (line.includes('has lost its place in the cluster')) this.#note('lost its place')
    if (line.includes('joined again')) this.#isRejoining = true
    // The log prints the fields of an entry on the lines below it.
    const [, id] = /^\s+node: "([^"]+)"/.exec(line) ?? []
    if (!this.#isRejoining || id === undefined) return
    this.#isRejoining = false
    this.#id = id
    this.#note('joined again')
  }

  #note(type: NodeEvent['type']): void {
    this.#history.nodes.push({ at: this.#clock.now, slot: this.slot, life: this.#life, type, node: this.#id })
  }
}
