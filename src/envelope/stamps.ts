import type { Recipients, Envelope } from './envelope.ts'

/** How far the stamps of two partitions may differ at one moment, in µs. The masters' clocks must agree within this. */
export const STAMP_SKEW = 1_000_000

/**
 * Makes a group's stamp comparable with a user's, which comes from another partition. The result is the oldest stamp
 * that the user's partition may have given at that moment. Even a connection with a younger stamp may have had the
 * message, so the node has to remember who had it.
 */
export function acrossPartitions(stamp: number): number {
  // Invariant R7: the clocks of two masters agree within this second, no better.
  return Math.max(0, stamp - STAMP_SKEW)
}

/** Puts the stamp of a lookup into the recipients of envelopes that were written before the stamp was known. */
export function stampedWith(stamp: number | undefined, envelopes: readonly Envelope[]): readonly Envelope[] {
  if (stamp === undefined) return envelopes
  return envelopes.map((envelope) => {
    return envelope.type === 'reply' ? envelope : { ...envelope, to: recipientsWith(stamp, envelope.to) }
  })
}

function recipientsWith(stamp: number, to: Recipients): Recipients {
  if (to.type === 'users') return { type: 'users', users: to.users.map(({ uid }) => ({ uid, stamp })) }
  if (to.type === 'groups') return { type: 'groups', groups: to.groups.map(({ group }) => ({ group, stamp })) }
  return to
}
