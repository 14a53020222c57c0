import type { Address, Envelope } from './envelope.ts'

/** How far the stamps of two partitions may be apart at one moment, in µs: masters' clocks have to agree within it. */
export const STAMP_SKEW = 1_000_000

/**
 * A group's stamp, as it is compared with a user's: with the oldest that the user's partition may have given then. Who is
 * younger than that may have had the message all the same, so it has to be remembered who had.
 */
export function acrossPartitions(stamp: number): number {
  return Math.max(0, stamp - STAMP_SKEW)
}

/** Envelopes whose addresses were found at one stamp, which stands beside their batch where it was not known before. */
export function stampedWith(stamp: number | undefined, envelopes: readonly Envelope[]): readonly Envelope[] {
  if (stamp === undefined) return envelopes
  return envelopes.map((envelope) => {
    return envelope.type === 'reply' ? envelope : { ...envelope, to: addressWith(stamp, envelope.to) }
  })
}

function addressWith(stamp: number, to: Address): Address {
  if (to.type === 'users') return { type: 'users', users: to.users.map(({ uid }) => ({ uid, stamp })) }
  if (to.type === 'groups') return { type: 'groups', groups: to.groups.map(({ group }) => ({ group, stamp })) }
  return to
}
