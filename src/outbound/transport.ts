import type { EncodedMessage, OutboundMessage } from './outbound-message.ts'

/**
 * Carries messages to one client, in order. A WebSocket is one kind of transport. The outbox and the connection know
 * nothing about it beyond these methods.
 */
export interface Transport {
  /** Encodes the message for this client. MUST return the same object for all clients that get the same form. */
  encode(message: OutboundMessage): EncodedMessage
  /** Writes one encoded message, or several that were joined. */
  write(bytes: Buffer): void
  /** Bytes that were written and that the kernel has not taken. */
  readonly unsentLength: number
  /** Whether writing should pause until the transport has drained. */
  readonly isStalled: boolean
  /** Calls back once, when the transport can take more. */
  onceDrained(drained: () => void): void
  /** Whether the transport takes messages now. */
  readonly isWritable: boolean
  /** Whether either side has begun to close the transport: no message may follow. */
  readonly isClosing: boolean
  /** Whether the kernel took everything before the transport closed. */
  readonly isDelivered: boolean
  /** Closes the transport after everything that was written, and tells the client why. */
  close(code: number, reason: string): void
  /** Cuts the client off at once, without a close frame. */
  abort(): void
}
