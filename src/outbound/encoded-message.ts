import type { OutboundMessage } from './outbound-message.ts'

/**
 * A message in the form that a kind of transport writes. It is encoded once and shared by everyone who gets this form.
 */
export interface EncodedMessage {
  readonly message: OutboundMessage
  readonly bytes: Buffer
  /** Bytes before the content. */
  readonly headerLength: number
}

/** The content of the message, as a view of the same memory. */
export function contentOf({ bytes, headerLength }: EncodedMessage): Buffer {
  return bytes.subarray(headerLength)
}
