import { CloseCode } from '../wire/close-codes.ts'
import type { ClientConnection } from './client-connection.ts'

/** ms */
const SWEEP = 1_000

/** Closes connections whose token has expired, with one timer for all of them. */
export class TokenExpiry {
  readonly #expiresAt = new Map<ClientConnection, number>()
  #timer: NodeJS.Timeout | undefined

  /** @param expiresAt ms since 1970 */
  add(connection: ClientConnection, expiresAt: number): void {
    this.#expiresAt.set(connection, expiresAt)
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP).unref()
  }

  remove(connection: ClientConnection): void {
    this.#expiresAt.delete(connection)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#expiresAt.clear()
  }

  #sweep(): void {
    const now = Date.now()
    for (const [connection, expiresAt] of this.#expiresAt) {
      if (expiresAt > now) continue
      this.#expiresAt.delete(connection)
      connection.disconnect(CloseCode.tokenExpired, 'token expired')
    }
  }
}
