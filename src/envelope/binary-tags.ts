// A tag is never given a second meaning. Readers skip tags that they do not know, so that a new field does not stop a
// cluster in which old and new versions run.

export const BatchTag = { publisher: 1, seq: 2, envelope: 3 } as const

/**
 * Kept for what comes later: 32 expiry (ms since 1970), 34 channel, 35 epoch and 36 offset (where the log holds it),
 * 37 traceparent. Pushes that ask for a reply use 10 and 11.
 */
export const EnvelopeTag = {
  type: 1,
  id: 2,
  to: 3,
  text: 4,
  binary: 5,
  except: 6,
  hops: 7,
  flags: 8,
  action: 9,
  replyTo: 10,
  correlation: 11,
  from: 12,
  count: 13,
  broadcast: 14,
  key: 33,
} as const
export const EnvelopeType = { push: 1, control: 2, reply: 3 } as const
/** Bits. `json` says of a text what kind it is: who does not know the bit delivers the same text. */
export const PushFlag = { resent: 1, named: 2, json: 4 } as const

export const AddressTag = { type: 1, stamped: 2, connection: 3 } as const
export const AddressType = { users: 1, groups: 2, connections: 3, all: 4 } as const

export const ExceptTag = { uid: 1, connection: 2 } as const

export const ActionTag = { type: 1, code: 2, reason: 3, group: 4 } as const
export const ActionType = { close: 1, join: 2, leave: 3 } as const
