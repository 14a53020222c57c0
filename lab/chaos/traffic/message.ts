import type { Push } from '../history.ts'

/**
 * The text of a message begins with the number of its push. The rest helps whoever reads the logs, and pads the message
 * to its size.
 */
export function messageOf({ number, publisher, kind, uids, group, size }: Push): string {
  const target = kind === 'uid' ? uids.join(',') : (group ?? 'all')
  const head = `#${number} ${publisher} ${kind}:${target} `
  return head.length < size ? head + '.'.repeat(size - head.length) : head
}

/** The push that a message belongs to; undefined if it is not one of this harness's messages. */
export function numberOf(message: Buffer): number | undefined {
  if (message[0] !== HASH) return undefined
  let number = 0
  for (let index = 1; index < message.length && message[index] !== SPACE; index++) {
    const digit = message[index]! - ZERO
    if (digit < 0 || digit > 9) return undefined
    number = number * 10 + digit
  }
  return number
}

const HASH = 0x23
const SPACE = 0x20
const ZERO = 0x30
