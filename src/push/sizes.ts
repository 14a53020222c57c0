import type { Address, Envelope } from '../protocol/envelope.ts'

const ENVELOPE_OVERHEAD = 64
const REF_OVERHEAD = 12

/** About how many bytes an envelope takes once encoded: good enough to bound a batch. */
export function envelopeSize(envelope: Envelope): number {
  if (envelope.type === 'reply') return ENVELOPE_OVERHEAD
  const payload = envelope.type === 'push' ? envelope.payload.data.length : ENVELOPE_OVERHEAD
  return ENVELOPE_OVERHEAD + payload + addressSize(envelope.to)
}

function addressSize(to: Address): number {
  switch (to.type) {
    case 'users':
      return sum(to.users, ({ uid }) => uid.length)
    case 'groups':
      return sum(to.groups, ({ group }) => group.length)
    case 'connections':
      return sum(to.connections, (connection) => connection.length)
    case 'all':
      return 0
    default:
      throw to satisfies never
  }
}

function sum<T>(items: readonly T[], lengthOf: (item: T) => number): number {
  let total = 0
  for (const item of items) total += lengthOf(item) + REF_OVERHEAD
  return total
}
