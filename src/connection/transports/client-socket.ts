import { WebSocket } from 'ws'
import type { Conversation } from '../conversation.ts'

/** Of pings beyond them only the newest is answered (RFC 6455 §5.5.3), once the kernel has taken these. */
const MAX_PONGS = 64

/** A WebSocket that knows its conversation: listeners are shared by all of them, instead of four closures for each. */
export class ClientSocket extends WebSocket {
  conversation: Conversation | undefined
  #pongCount = 0
  #newestPing: Buffer | undefined

  /**
   * Closes once what runs now has ended. `ws` calls it too, in the middle of a packet, when the client closes or breaks the
   * protocol: what handlers answer at once to the messages before that goes out first, since nothing may follow.
   */
  override close(code?: number, reason?: string | Buffer): void {
    const close = (): void => {
      this.conversation?.connection.finish()
      super.close(code, reason)
    }
    // A tick that a microtask asks for comes after all microtasks, and before the next event of any socket.
    queueMicrotask(() => process.nextTick(close))
  }

  /** In place of `ws`, which cuts off a client that sends many pings at once. */
  answer(ping: Buffer): void {
    if (this.readyState !== this.OPEN) return
    if (this.#pongCount >= MAX_PONGS) {
      this.#newestPing = ping
      return
    }
    this.#pongCount++
    this.pong(ping, false, () => this.#ponged())
  }

  #ponged(): void {
    this.#pongCount--
    const ping = this.#newestPing
    this.#newestPing = undefined
    if (ping !== undefined) this.answer(ping)
  }
}
