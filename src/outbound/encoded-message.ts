import type { OutboundMessage } from './outbound-message.ts'

/** A message as some transports write it: made once, and shared by everyone who gets it in this form. */
export interface EncodedMessage {
  readonly message: OutboundMessage
  readonly bytes: Buffer
  /** Bytes in front of the content. */
  readonly headerLength: number
}

/** The content: a view of the same memory. */
export function contentOf({ bytes, headerLength }: EncodedMessage): Buffer {
  return bytes.subarray(headerLength)
}
