import { EventEmitter } from 'node:events'
import type { ClusterEvents } from './api.ts'
import { FlotillaError } from './errors.ts'
import type { Logger } from './logger.ts'

type EventName = keyof ClusterEvents
const EVENTS: readonly EventName[] = ['receive', 'register', 'logout', 'discover', 'shutdown']

/** The events of one node, with their types. If a listener throws, that is logged and has no other effect. */
export class Events {
  readonly #emitter = new EventEmitter()
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
    this.#emitter.setMaxListeners(0)
  }

  on<E extends EventName>(event: E, listener: (event: ClusterEvents[E]) => void): () => void {
    if (!EVENTS.includes(event)) {
      throw new FlotillaError('FLT_BAD_REQUEST', `there is no event '${event}': listen to ${EVENTS.join(', ')}`)
    }
    const guarded = (payload: ClusterEvents[E]): void => this.#call(event, listener, payload)
    this.#emitter.on(event, guarded)
    return () => void this.#emitter.off(event, guarded)
  }

  emit<E extends EventName>(event: E, payload: ClusterEvents[E]): void {
    this.#emitter.emit(event, payload)
  }

  /** Whether the event has a listener. If it has none, callers can save the work of emitting it. */
  has(event: EventName): boolean {
    return this.#emitter.listenerCount(event) > 0
  }

  #call<E extends EventName>(
    event: E,
    listener: (event: ClusterEvents[E]) => unknown,
    payload: ClusterEvents[E],
  ): void {
    const failed = (error: unknown): void => this.#logger.error({ error, event }, 'an event listener failed')
    try {
      const result = listener(payload)
      if (result instanceof Promise) result.catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}
