import { setTimeout as sleep } from 'node:timers/promises'
import type { Stop } from '../drivers/entry.ts'
import type { Ingress, IngressEntry } from '../drivers/ingress.ts'
import type { NodeId } from '../envelope/ids.ts'
import { FlotillaError, isFlotillaError } from '../errors.ts'
import { JsonSource } from '../lib/json-source.ts'
import type { Logger } from '../logger.ts'
import { parsePushBody } from '../push/push-body.ts'
import type { Pusher } from '../push/pusher.ts'

const RETRY_PAUSE = 100

/**
 * Pushes what processes written in any language append to the ingress stream: in order, each entry at least once. One
 * node at a time reads the stream. The entry's position serves as the id of its push, so an entry that is read again
 * after a crash is not pushed again.
 */
export class IngressReader {
  readonly #ingress: Ingress
  readonly #pusher: Pusher
  readonly #logger: Logger
  #stop: Stop | undefined
  #closed = false

  constructor(ingress: Ingress, pusher: Pusher, logger: Logger) {
    this.#ingress = ingress
    this.#pusher = pusher
    this.#logger = logger
  }

  /** Called with each heartbeat: becomes the reader if no other node is, or remains it. */
  async lead(node: NodeId, ttl: number): Promise<void> {
    const leads = await this.#ingress.lead(node, ttl)
    if (this.#closed) return
    if (leads) this.#stop ??= this.#ingress.read((entries) => this.#route(entries))
    else await this.#stopReading()
  }

  async close(node: NodeId): Promise<void> {
    this.#closed = true
    await this.#stopReading()
    await this.#ingress.resign(node)
  }

  async #stopReading(): Promise<void> {
    const stop = this.#stop
    this.#stop = undefined
    await stop?.()
  }

  async #route(entries: readonly IngressEntry[]): Promise<void> {
    let remaining = entries
    while (remaining.length > 0 && !this.#closed) {
      // All at once: the pusher keeps their order and gathers them.
      const outcomes = await Promise.all(remaining.map(async (entry) => ({ entry, outcome: await this.#push(entry) })))
      remaining = outcomes.filter(({ outcome }) => outcome === 'again').map(({ entry }) => entry)
      await this.#forget(outcomes.filter(({ outcome }) => outcome === 'done').map(({ entry }) => entry.position))
      if (remaining.length > 0) await sleep(RETRY_PAUSE)
    }
  }

  async #push(entry: IngressEntry): Promise<'done' | 'again'> {
    try {
      // Invariant I6: under the entry's id, so that one that is read again is known.
      await this.#pusher.pushEntry(entry.position, parsePushBody(parseJson(entry.body)))
      return 'done'
    } catch (error) {
      if (isFlotillaError(error) && error.retry) return 'again'
      return this.#setAside(entry, error)
    }
  }

  async #setAside(entry: IngressEntry, error: unknown): Promise<'done' | 'again'> {
    this.#logger.error({ position: entry.position, error }, 'an ingress entry is not a push and was set aside')
    try {
      await this.#ingress.setAside(entry, String(error))
      return 'done'
    } catch {
      return 'again'
    }
  }

  /** An entry that could not be removed is read again later, and its push is known by its id. */
  async #forget(positions: readonly string[]): Promise<void> {
    await this.#ingress.done(positions).catch((error: unknown) => {
      this.#logger.warn({ error }, 'routed ingress entries could not be removed')
    })
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function parseJson(body: Uint8Array): JsonSource {
  try {
    return JsonSource.parse(decoder.decode(body))
  } catch (cause) {
    throw new FlotillaError('FLT_BAD_JSON', 'the entry is not JSON in UTF-8: write the body of POST /api/push', {
      cause,
    })
  }
}
