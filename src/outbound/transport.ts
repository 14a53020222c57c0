import type { EncodedMessage } from './encoded-message.ts'
import type { OutboundMessage } from './outbound-message.ts'

/**
 * The way by which one client gets its messages, in order. A WebSocket is such a way; the outbox and the connection know
 * no more of it than this.
 */
export interface Transport {
  /** The message in the form that this client gets. MUST be the same object for all who get the same form. */
  encode(message: OutboundMessage): EncodedMessage
  /** Writes one encoded message, or several that were joined. */
  write(bytes: Buffer): void
  /** Bytes that were written and that the kernel has not taken. */
  readonly unsentLength: number
  /** Whether no more should be written until `drained` is told. */
  readonly isStalled: boolean
  /** Calls back, once, when the transport takes more. */
  onceDrained(drained: () => void): void
  /** Whether it takes messages now. */
  readonly isWritable: boolean
  /** Whether either side has begun to close it: no message may follow. */
  readonly isClosing: boolean
  /** Whether the kernel took everything before the transport closed. */
  readonly isDelivered: boolean
  /** Tells the client that it is over, and why, after everything that was written. */
  close(code: number, reason: string): void
  /** Ends it at once, without a word. */
  abort(): void
}
