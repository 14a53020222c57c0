import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Emitter } from 'flotilla/emitter'
import { redis } from 'flotilla/redis'
import type { Clock } from '../clock.ts'
import type { Push } from '../history.ts'
import type { Node } from '../rig/node.ts'
import { messageOf } from './message.ts'

/** A publisher whose pushes to one target arrive in the order of its calls. */
export interface Publisher {
  /** Changes as soon as it is unknown in which order its calls are handled. */
  readonly name: string
  /** False while its pushes would only pile up. */
  readonly isReady: boolean
  push(push: Push): void
  close(): Promise<void>
}

const RETRIES = 4
const RETRY_PAUSE = 300

interface PushError {
  readonly code?: string
  readonly message: string
  readonly retry?: boolean
}

/** Pushes from the process of this harness, through the library's Emitter. */
export class EmitterPublisher implements Publisher {
  readonly name = 'emitter'
  readonly isReady = true
  readonly #emitter: Emitter
  readonly #clock: Clock

  constructor(url: string, clock: Clock, { heartbeat, deadAfter }: { heartbeat: number; deadAfter: number }) {
    this.#emitter = new Emitter({ driver: redis({ url }), onError: () => {}, heartbeat, deadAfter })
    this.#clock = clock
  }

  push(push: Push): void {
    void this.#push(push)
  }

  async #push(push: Push): Promise<void> {
    try {
      const { except, id } = push
      const options = { ...(except.length > 0 && { except: { uid: except } }), ...(id !== undefined && { id }) }
      const { offline } = await this.#emitter.push(targetOf(push), messageOf(push), options)
      settle(push, this.#clock.now, { offline })
    } catch (error) {
      const { code, message, retry } = error as PushError
      if (retry === true && push.id !== undefined && push.callCount <= RETRIES) await this.#again(push)
      else settle(push, this.#clock.now, { error: code ?? message })
    }
  }

  async #again(push: Push): Promise<void> {
    await sleep(RETRY_PAUSE)
    push.callCount++
    push.lastCalledAt = this.#clock.now
    await this.#push(push)
  }

  async close(): Promise<void> {
    await this.#emitter.close()
  }
}

const BATCH_EVERY = 40
const PATIENCE = 12_000
const MOST_WAITING = 200
const NOT_READY_AFTER = 1_500

/** Pushes over a node's HTTP API, one batch at a time, so that the order of the calls is known. */
export class HttpPublisher implements Publisher {
  readonly #node: Node
  readonly #clock: Clock
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #timer: NodeJS.Timeout
  #waiting: Push[] = []
  #sentAt: number | undefined
  #generation = 1
  #life = 0

  constructor(node: Node, clock: Clock) {
    this.#node = node
    this.#clock = clock
    this.#timer = setInterval(() => this.#flush(), BATCH_EVERY)
  }

  get name(): string {
    if (this.#life !== this.#node.life && this.#waiting.length === 0 && this.#sentAt === undefined) {
      this.#life = this.#node.life
      this.#generation++
    }
    return `http-n${this.#node.slot}.${this.#generation}`
  }

  get isReady(): boolean {
    const isSlow = this.#sentAt !== undefined && this.#clock.now - this.#sentAt > NOT_READY_AFTER
    return this.#node.isUp && !isSlow && this.#waiting.length < MOST_WAITING
  }

  push(push: Push): void {
    this.#waiting.push(push)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#agent.destroy()
  }

  #flush(): void {
    if (this.#waiting.length === 0 || this.#sentAt !== undefined) return
    const batch = this.#waiting
    this.#waiting = []
    this.#sentAt = this.#clock.now
    void this.#send(batch).finally(() => {
      this.#sentAt = undefined
    })
  }

  async #send(batch: readonly Push[]): Promise<void> {
    try {
      const results = await this.#call({ pushes: batch.map(bodyOf) })
      for (const [index, push] of batch.entries()) this.#settle(push, results[index])
    } catch (error) {
      // The node may still execute the batch, even after the next one.
      this.#generation++
      const wasSent = (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED'
      for (const push of batch) settle(push, this.#clock.now, { error: String(error), isUnknown: wasSent })
      for (const push of this.#waiting) settle(push, this.#clock.now, { error: 'not sent' })
      this.#waiting = []
    }
  }

  #settle(push: Push, result: BatchResult | undefined): void {
    const { error, offline = [] } = result ?? { error: { code: 'no result' } }
    settle(push, this.#clock.now, error === undefined ? { offline } : { error: error.code })
  }

  #call(body: object): Promise<readonly BatchResult[]> {
    const text = JSON.stringify(body)
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
    }
    return new Promise((resolve, reject) => {
      const call = request(
        {
          agent: this.#agent,
          port: this.#node.port,
          host: '127.0.0.1',
          path: '/api/push/batch',
          method: 'POST',
          headers,
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const answer = Buffer.concat(chunks).toString()
            if (response.statusCode === 200) resolve((JSON.parse(answer) as { results: BatchResult[] }).results)
            else reject(new Error(`${response.statusCode} ${answer}`))
          })
        },
      )
      call.setTimeout(PATIENCE, () => call.destroy(new Error(`no answer within ${PATIENCE} ms`)))
      call.on('error', reject)
      call.end(text)
    })
  }
}

interface BatchResult {
  readonly offline?: readonly string[]
  readonly error?: { readonly code: string }
}

function targetOf({ kind, uids, group }: Push) {
  switch (kind) {
    case 'uid':
      return { uid: uids }
    case 'group':
      return { group: group! }
    case 'all':
      return { all: true as const }
  }
}

function bodyOf(push: Push): object {
  const { except, id } = push
  return {
    ...targetOf(push),
    message: messageOf(push),
    ...(except.length > 0 && { except: { uid: except } }),
    ...(id !== undefined && { id }),
  }
}

function settle(
  push: Push,
  at: number,
  { offline = [], error, isUnknown = false }: { offline?: readonly string[]; error?: string; isUnknown?: boolean },
): void {
  push.settledAt = at
  push.offline = offline
  push.error = error
  push.outcome = error === undefined ? 'resolved' : isUnknown ? 'unknown' : 'failed'
}
