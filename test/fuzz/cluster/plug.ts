import { setTimeout as pause } from 'node:timers/promises'
import type { Driver } from '../../../src/drivers/driver.ts'
import type { Entry } from '../../../src/drivers/entry.ts'
import { FlotillaError } from '../../../src/errors.ts'

/** The steps of a takeover at the store, in order. */
export const TAKEOVER_STEPS = [
  'evict',
  'fence',
  'claim',
  'seal',
  'unlist',
  'drain',
  'clean',
  'destroy',
  'forget',
] as const
export type TakeoverStep = (typeof TAKEOVER_STEPS)[number]

type Gate =
  | { readonly type: 'open' | 'cut' }
  | { readonly type: 'shut'; readonly opened: Promise<void>; readonly open: () => void }

/**
 * Stands between a node and its store. It holds all calls back, as if the process were paused, or refuses them for
 * good, as if it had been killed. It can also halt a takeover after one of its steps. Every claim succeeds, because a
 * claim only saves work and nothing may depend on it.
 */
export class Plug {
  readonly driver: Driver
  #gate: Gate = { type: 'open' }
  #lag = 0
  #held: Promise<void> | undefined
  #letGo = (): void => {}
  #halt: { readonly step: TakeoverStep; readonly ms: number } | undefined

  constructor(driver: Driver) {
    this.driver = {
      state: (settings) => this.#guarded(driver.state(settings)),
      queue: (settings) => this.#guarded(driver.queue(settings)),
    }
  }

  shut(): void {
    if (this.#gate.type !== 'open') return
    let open!: () => void
    const opened = new Promise<void>((resolve) => (open = resolve))
    this.#gate = { type: 'shut', opened, open }
  }

  open(): void {
    if (this.#gate.type === 'cut') return
    this.#leave({ type: 'open' })
  }

  cut(): void {
    this.#leave({ type: 'cut' })
  }

  /** From now on entries reach the node this many ms late. */
  lag(ms: number): void {
    this.#lag = ms
  }

  /** From now on entries reach the node only after `letGo`. */
  hold(): void {
    this.#held = new Promise((resolve) => (this.#letGo = resolve))
  }

  letGo(): void {
    this.#letGo()
  }

  /** The next takeover stands still for this many ms after this step. */
  haltAfter(step: TakeoverStep, ms: number): void {
    this.#halt = { step, ms }
  }

  #leave(next: Gate): void {
    const before = this.#gate
    this.#gate = next
    if (before.type === 'shut') before.open()
  }

  /** Waits while the gate is shut. False if it is cut: nothing passes any more. */
  async #passes(): Promise<boolean> {
    while (this.#gate.type === 'shut') await this.#gate.opened
    return this.#gate.type === 'open'
  }

  async #pass(): Promise<void> {
    if (!(await this.#passes())) throw new FlotillaError('FLT_STORE_AWAY', 'this node was killed')
  }

  #guarded<T extends object>(handle: T): T {
    return new Proxy(handle, { get: (_, name) => this.#member(handle, String(name)) })
  }

  #member(handle: object, name: string): unknown {
    const member: unknown = Reflect.get(handle, name)
    if (typeof member !== 'function') return undefined
    const call = (...args: unknown[]): unknown => Reflect.apply(member, handle, args)
    switch (name) {
      case 'close':
        return call
      case 'evict':
        return async (...args: unknown[]) => {
          const came = await this.#call('evict', async () => call(...args))
          return came === 'held' ? 'claimed' : came
        }
      case 'claim':
        return async () => this.#call('claim', async () => true)
      case 'consume':
      case 'consumeAll':
        return (node: string, handler: (entries: readonly Entry[]) => unknown) =>
          call(node, (entries: readonly Entry[]) => this.#hand(entries, handler))
      case 'ack':
      case 'ackAll':
        return (...args: unknown[]) => void this.#passes().then((passes) => passes && call(...args))
      default:
        return (...args: unknown[]) => this.#call(name, () => call(...args))
    }
  }

  async #hand(entries: readonly Entry[], handler: (entries: readonly Entry[]) => unknown): Promise<void> {
    if (this.#lag > 0) await pause(this.#lag)
    await this.#held
    if (await this.#passes()) await handler(entries)
  }

  async #call(name: string, call: () => unknown): Promise<unknown> {
    await this.#pass()
    const result = await call()
    if (this.#halt?.step === name) {
      const { ms } = this.#halt
      this.#halt = undefined
      await pause(ms)
    }
    await this.#pass()
    return result
  }
}
