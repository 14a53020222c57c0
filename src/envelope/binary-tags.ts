// A tag never gets a second meaning, even if its field is dropped. Readers skip tags that they do not know, so that old
// and new versions can run in one cluster.

export const BatchTag = { publisher: 1, seq: 2, envelope: 3 } as const

/**
 * Reserved tags: 32 for an expiry (ms since 1970), 34 for a channel, 35 and 36 for the epoch and offset of a push in
 * the log, 37 for a traceparent. Pushes that ask for a reply are to use 10 and 11.
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
/** Bits. `json` marks a text as JSON. A node that does not know the bit delivers the same text. */
export const PushFlag = { resent: 1, named: 2, json: 4 } as const

export const RecipientsTag = { type: 1, stamped: 2, connection: 3 } as const
export const RecipientsType = { users: 1, groups: 2, connections: 3, all: 4 } as const

export const ExceptTag = { uid: 1, connection: 2 } as const

export const ActionTag = { type: 1, code: 2, reason: 3, group: 4 } as const
export const ActionType = { close: 1, join: 2, leave: 3 } as const
