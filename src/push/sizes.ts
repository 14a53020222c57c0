import type { Recipients, Envelope } from '../envelope/envelope.ts'
import type { Payload } from '../envelope/payload.ts'
import type { Except, ParsedTarget } from '../envelope/target.ts'

const ENVELOPE_OVERHEAD = 64
const REF_OVERHEAD = 12

/** Bytes of an encoded envelope, exact enough to bound a batch. */
export function envelopeSize(envelope: Envelope): number {
  if (envelope.type === 'reply') return ENVELOPE_OVERHEAD
  const size = ENVELOPE_OVERHEAD + recipientsSize(envelope.to)
  return envelope.type === 'push' ? size + contentSize(envelope) : size + ENVELOPE_OVERHEAD
}

/** Bytes that a push holds, about, before its target is looked up. */
export function pushSize(push: PushContent & { readonly target: ParsedTarget }): number {
  return ENVELOPE_OVERHEAD + contentSize(push) + targetSize(push.target)
}

interface PushContent {
  readonly payload: Payload
  readonly except?: Except | undefined
  readonly key?: string | undefined
}

function contentSize({ payload, except, key = '' }: PushContent): number {
  const size = payload.data.length + key.length
  return except === undefined ? size : size + idsSize(except.uids) + idsSize(except.connections)
}

function targetSize(target: ParsedTarget): number {
  switch (target.type) {
    case 'users':
      return idsSize(target.uids)
    case 'groups':
      return idsSize(target.groups)
    case 'connections':
      return idsSize(target.connections)
    case 'all':
      return 0
    default:
      throw target satisfies never
  }
}

function idsSize(ids: readonly string[]): number {
  let size = 0
  for (const id of ids) size += id.length + REF_OVERHEAD
  return size
}

function recipientsSize(to: Recipients): number {
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
