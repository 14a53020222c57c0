import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from '../../rig/child.ts'
import { LabError } from '../../rig/lab-error.ts'
import { clientBinary } from './client-binary.ts'

/** How the clients of a system connect. `%d` is replaced by a connection's index. */
export interface Greeting {
  readonly path: string
  /** A text frame that each connection sends first. */
  readonly hello?: string
  /**
   * The beginning of the text frame that says that a connection is ready. Without it, a connection is ready after the
   * 101.
   */
  readonly welcome?: string
  /** Frames carry NATS's protocol instead of one message each. */
  readonly isNats?: boolean
}

export interface ClientPlan {
  readonly ports: readonly number[]
  readonly count: number
  readonly greeting: Greeting
  /** Whether every message goes to each connection, so that the time to the last of them is measured. */
  readonly countsRounds?: boolean
  /** The index of the first connection. */
  readonly first?: number
  /** How many connections may be opening at the same time; 256 by default. */
  readonly atOnce?: number
  /** A connection that is refused, or breaks before it is ready, tries again after this many seconds. */
  readonly retry?: number
  /** A connection that is opened again uses the next port. */
  readonly moves?: boolean
  /** A file in which the client records everything that happens to its connections: see `readJournal`. */
  readonly journal?: string
}

/** In nanoseconds. */
export interface Quantiles {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export interface Fleet {
  readonly ready: number
  readonly refused: number
  readonly closed: number
  /** How many ns it took to open the connections, the last time that some were opened. */
  readonly opening: number
  /** How long each of those connections took, refusals included. */
  readonly entrance: Quantiles
}

/** Everything that has arrived since `begin`. */
export interface Arrivals extends Fleet {
  readonly messages: number
  /** Frames that contain none of our messages. */
  readonly others: number
  readonly bytes: number
  /** From the first message to the last, in ns. */
  readonly span: number
  readonly latency: Quantiles
  /** The time from a broadcast until the last connection received it. */
  readonly round: Quantiles
}

const POLL = 100
const STALLED_AFTER = 10_000
const STILL_FOR = 1_000

/** A process with many WebSocket connections that measures when messages arrive. */
export class LoadClient {
  readonly child: Child
  readonly fleet: Fleet
  readonly #lines: Interface
  #last: Promise<unknown> = Promise.resolve()

  private constructor(child: Child, lines: Interface, fleet: Fleet) {
    this.child = child
    this.#lines = lines
    this.fleet = fleet
  }

  /** Resolves once all of its connections are open. */
  static async open(plan: ClientPlan): Promise<LoadClient> {
    const { ports, count, greeting, countsRounds = false, first, atOnce, retry, moves = false, journal } = plan
    const { path, hello, welcome, isNats = false } = greeting
    const args = ['-p', ports.join(','), '-n', String(count), '-u', path]
    if (first !== undefined) args.push('-f', String(first))
    if (atOnce !== undefined) args.push('-c', String(atOnce))
    if (retry !== undefined) args.push('-r', String(retry))
    if (hello !== undefined) args.push('-i', hello)
    if (welcome !== undefined) args.push('-w', welcome)
    if (journal !== undefined) args.push('-j', journal)
    if (moves) args.push('-m')
    if (isNats) args.push('-N')
    if (countsRounds) args.push('-R')
    const child = new Child({ name: 'the load client', core: 'rest', command: clientBinary(), args })
    const lines = createInterface(child.process.stdout!)
    const fleet = await nextAnswer<Fleet>(child, lines)
    if (fleet.ready === count && fleet.closed === 0) return new LoadClient(child, lines, fleet)
    await child.stop()
    const { ready, refused, closed } = fleet
    throw new LabError(
      `${ready} of ${count} connections opened, ${refused} were refused and ${closed} closed: ${child.output.trim()}`,
    )
  }

  begin(): Promise<Fleet> {
    return this.#ask<Fleet>('begin')
  }

  report(): Promise<Arrivals> {
    return this.#ask<Arrivals>('report')
  }

  /** Closes these connections, all at once. */
  leave(from: number, count: number): Promise<Fleet> {
    return this.#ask<Fleet>(`leave ${from} ${count}`)
  }

  /** Opens these connections again, as the same users. */
  enter(from: number, count: number): Promise<Fleet> {
    return this.#ask<Fleet>(`enter ${from} ${count}`)
  }

  /** Waits until this many messages have arrived, or until no more come. */
  async settle(expected: number): Promise<Arrivals> {
    let arrivals = await this.report()
    for (let stalled = 0; arrivals.messages < expected && stalled < STALLED_AFTER;) {
      await sleep(POLL)
      const later = await this.report()
      stalled = later.messages === arrivals.messages ? stalled + POLL : 0
      arrivals = later
    }
    return arrivals
  }

  /** Waits until no message has come for a while. */
  async settleAll(): Promise<Arrivals> {
    let arrivals = await this.report()
    for (let still = 0; still < STILL_FOR;) {
      await sleep(POLL)
      const later = await this.report()
      still = later.messages === arrivals.messages ? still + POLL : 0
      arrivals = later
    }
    return arrivals
  }

  close(): Promise<void> {
    return this.child.stop()
  }

  /** Sends one command at a time, because the client expects that. */
  #ask<Answer>(command: string): Promise<Answer> {
    const answer = this.#last.then(() => {
      this.child.process.stdin!.write(`${command}\n`)
      return nextAnswer<Answer>(this.child, this.#lines)
    })
    this.#last = answer.catch(() => {})
    return answer
  }
}

async function nextAnswer<Answer>(child: Child, lines: Interface): Promise<Answer> {
  const [line] = await Promise.race([once(lines, 'line'), child.failed()])
  return JSON.parse(line) as Answer
}
