import { errorMonitor, type EventEmitter } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'

/** The user's own HTTP server, to which a Flotilla server is attached. */
export type HostServer = HttpServer | HttpsServer

/** ms in which a host server that was closed before it listened may begin to listen after all. */
const SECOND_THOUGHTS = 1_000

/** Those who want to know, for each host server whose `close` we have replaced. */
const watches = new WeakMap<HostServer, HostWatch>()

/**
 * Calls `closing` when somebody closes the host server: at once, so that its WebSockets can be closed. The event
 * `close` comes only after every socket has gone, and a WebSocket never goes by itself. Returns a function that ends
 * the watch.
 */
export function whenClosing(host: HostServer, closing: () => void): () => void {
  const watch = watches.get(host) ?? new HostWatch(host)
  watches.set(host, watch)
  watch.listeners.add(closing)
  return () => {
    if (!watch.listeners.delete(closing) || watch.listeners.size > 0) return
    watch.end()
    watches.delete(host)
  }
}

/**
 * Replaces the `close` of one host server. Node has no event for it, and every way to close a server calls it on the
 * instance: frameworks, `Symbol.asyncDispose`, the `signal` of `listen`, a cluster worker that disconnects.
 */
class HostWatch {
  readonly listeners = new Set<() => void>()
  readonly #host: HostServer
  /** A `close` of the instance itself that was there before ours. */
  readonly #before: PropertyDescriptor | undefined
  readonly #ours: HostServer['close']
  #endDoubt: (() => void) | undefined

  constructor(host: HostServer) {
    this.#host = host
    this.#before = Object.getOwnPropertyDescriptor(host, 'close')
    const closing = (wasListening: boolean): void => (wasListening ? this.#tell() : this.#doubt())
    const theirs = host.close
    const ours = function close(this: HostServer, ...args: Parameters<HostServer['close']>): HostServer {
      const wasListening = host.listening
      const result = theirs.apply(this, args)
      closing(wasListening)
      return result
    }
    this.#ours = ours
    Object.defineProperty(host, 'close', { value: ours, configurable: true, writable: true, enumerable: false })
  }

  /** Puts back the former `close`, unless somebody else has replaced ours meanwhile. Theirs may still call ours. */
  end(): void {
    this.#endDoubt?.()
    if (this.#host.close !== this.#ours) return
    if (this.#before !== undefined) Object.defineProperty(this.#host, 'close', this.#before)
    else Reflect.deleteProperty(this.#host, 'close')
  }

  #tell(): void {
    this.#endDoubt?.()
    for (const closing of this.listeners) closing()
  }

  /**
   * A server that does not listen is closed either for good, or before it tries a port again, as Node's documentation
   * does after `EADDRINUSE`. It is in use if it listens soon, or fails to.
   */
  #doubt(): void {
    if (this.#endDoubt !== undefined || this.listeners.size === 0) return
    const host: EventEmitter = this.#host
    const isInUse = (): void => this.#endDoubt?.()
    const timer = setTimeout(() => this.#tell(), SECOND_THOUGHTS).unref()
    // An ordinary listener for `error` would hide from the user that nobody handles it.
    host.once('listening', isInUse).once(errorMonitor, isInUse)
    this.#endDoubt = () => {
      this.#endDoubt = undefined
      clearTimeout(timer)
      host.off('listening', isInUse).off(errorMonitor, isInUse)
    }
  }
}
