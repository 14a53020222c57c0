import { LabError } from '../../rig/lab-error.ts'
import { type Arrivals, LoadClient } from '../rig/load-client.ts'
import type { PublishPlan, Published } from '../rig/node-process.ts'
import type { Layout, Stage, System } from '../systems/system.ts'
import type { Note } from './scenario.ts'

const MS = 1e6
const SECOND = 1e9
/** The publisher kept up if it sent this share of the rate that it was asked for. */
const KEPT_UP = 0.95
const STEADY_ATTEMPTS = 2
/**
 * The value that docs/performance.md advises for heavy pushing, used for every system on Node. With V8's default of 16
 * MiB, objects that are still in use under load are copied to the old generation, although they soon become garbage.
 */
const NODE_FLAGS = ['--max-semi-space-size=64']

/** The result of publishing at one rate for a while. Times are in ms. */
export interface Result {
  /** Messages a second. */
  readonly asked: number
  readonly published: Published
  readonly arrivals: Arrivals
  /** How many deliveries there should have been. */
  readonly expected: number
  /** Deliveries a second, from the first to the last. */
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

/** A system with connected clients, ready to be measured. */
export class Trial {
  readonly stage: Stage
  readonly #system: System
  readonly #count: number
  readonly #note: Note
  #client: LoadClient

  private constructor(system: System, stage: Stage, client: LoadClient, count: number, note: Note) {
    this.#system = system
    this.stage = stage
    this.#client = client
    this.#count = count
    this.#note = note
  }

  static async open(system: System, layout: Layout, count: number, note: Note): Promise<Trial> {
    const stage = await system.start({
      ...layout,
      subjectFlags: [...NODE_FLAGS, ...(layout.subjectFlags ?? [])],
      publisherFlags: [...NODE_FLAGS, ...(layout.publisherFlags ?? [])],
    })
    try {
      const client = await LoadClient.open({ ports: stage.ports, count, greeting: system.greeting })
      return new Trial(system, stage, client, count, note)
    } catch (error) {
      await stage.stop()
      throw error
    }
  }

  get client(): LoadClient {
    return this.#client
  }

  async measure(plan: PublishPlan): Promise<Result> {
    const { publisher } = this.stage
    if (publisher === undefined) throw new LabError(`${this.#system.label} was started without a publisher`)
    const before = await this.#client.begin()
    this.#beginCpu()
    const published = await publisher.call('publish', plan)
    const cpu = this.#cpuShares()
    const expected = plan.users === undefined ? published.sent * this.#count : published.sent
    const settled = await this.#client.settle(expected)
    const result = resultOf(plan, published, { ...settled, closed: settled.closed - before.closed }, expected)
    this.#note(`${describe(result)}; cores: ${cpu}`)
    this.#check(result)
    return result
  }

  /** Measures a rate that the system should sustain. If it seems not to, measures once more. */
  async measureAll(plan: PublishPlan): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      const result = await this.measure(plan)
      if (isComplete(result)) return result
      if (attempt === STEADY_ATTEMPTS) {
        throw new LabError(`${this.#system.label} does not sustain ${plan.rate} messages/s: ${describe(result)}`)
      }
    }
  }

  /** Replaces all clients if some were disconnected. */
  async reconnect(): Promise<void> {
    await this.#client.close()
    this.#client = await LoadClient.open({
      ports: this.stage.ports,
      count: this.#count,
      greeting: this.#system.greeting,
    })
  }

  async close(): Promise<void> {
    await this.#client.close()
    await this.stage.stop()
  }

  /** Fails if nothing arrived, or if more arrived than was sent. */
  #check({ published, arrivals, expected, asked }: Result): void {
    const where = `${this.#system.label} at ${Math.round(asked)} messages/s`
    if (published.sent === 0) throw new LabError(`${where}: nothing was sent`)
    if (arrivals.messages === 0)
      throw new LabError(`${where}: none of ${expected} messages arrived${because(published, arrivals)}`)
    if (arrivals.messages > expected) {
      throw new LabError(`${where}: ${arrivals.messages} messages arrived, but only ${expected} were sent`)
    }
  }

  #beginCpu(): void {
    for (const child of this.#children()) child.cpu.begin()
  }

  #cpuShares(): string {
    return this.#children()
      .map(({ name, cpu }) => `${name} ${Math.round(cpu.share * 100)} %`)
      .join(', ')
  }

  #children(): { name: string; cpu: { begin(): void; share: number } }[] {
    const { subject, publisher, store } = this.stage
    return [subject, publisher?.child, store?.child, this.#client.child].filter((child) => child !== undefined)
  }
}

/** Whether everything that was asked for was sent, accepted, and has arrived. */
export function isComplete({ asked, published, arrivals, expected }: Result): boolean {
  const failed = published.rejected + published.unsettled + arrivals.closed
  const keptUp = published.sent >= KEPT_UP * asked * published.seconds
  return failed === 0 && keptUp && arrivals.messages === expected
}

function resultOf({ rate }: PublishPlan, published: Published, arrivals: Arrivals, expected: number): Result {
  const { messages, span, latency } = arrivals
  return {
    asked: rate,
    published,
    arrivals,
    expected,
    perSecond: messages / (Math.max(span, 1) / SECOND),
    p50: latency.p50 / MS,
    p99: latency.p99 / MS,
  }
}

function describe({ asked, published, arrivals, expected, perSecond, p50, p99 }: Result): string {
  const parts = [
    `asked ${Math.round(asked)}/s`,
    `sent ${Math.round(published.sent / published.seconds)}/s`,
    `delivered ${Math.round(perSecond)}/s`,
    `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`,
  ]
  if (arrivals.messages < expected) parts.push(`${expected - arrivals.messages} of ${expected} LOST`)
  if (published.rejected > 0) parts.push(`${published.rejected} REJECTED (${published.error})`)
  if (published.unsettled > 0) parts.push(`${published.unsettled} pushes NEVER SETTLED`)
  if (arrivals.closed > 0) parts.push(`${arrivals.closed} connections CLOSED`)
  return parts.join(', ')
}

function because({ rejected, error }: Published, { others }: Arrivals): string {
  const reason = rejected > 0 ? `; ${rejected} pushes were rejected, the first with ${error}` : ''
  return others > 0 ? `${reason}; ${others} frames arrived without a time stamp` : reason
}
