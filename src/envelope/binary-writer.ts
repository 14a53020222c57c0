import {
  ActionTag,
  ActionType,
  RecipientsTag,
  RecipientsType,
  BatchTag,
  EnvelopeTag,
  EnvelopeType,
  ExceptTag,
  PushFlag,
} from './binary-tags.ts'
import type { Recipients, Batch, ControlAction, Envelope, PushEnvelope } from './envelope.ts'
import type { Payload } from './payload.ts'
import type { Except } from './target.ts'
import type { TlvWriter } from './tlv.ts'

/** Bytes that the fields around a payload rarely exceed. If they do, some bytes have to be moved. */
const OVERHEAD = 100

/** A guess at the size of a batch, in bytes. */
export function sizeHintOfBatch({ envelopes }: Batch): number {
  let size = OVERHEAD
  for (const envelope of envelopes) size += sizeHintOf(envelope)
  return size
}

export function writeBatch(writer: TlvWriter, { publisher, seq, envelopes }: Batch): void {
  writer.text(BatchTag.publisher, publisher)
  writer.number(BatchTag.seq, seq)
  for (const envelope of envelopes) {
    const at = writer.begin(BatchTag.envelope, sizeHintOf(envelope))
    writeEnvelope(writer, envelope)
    writer.end(at)
  }
}

function sizeHintOf(envelope: Envelope): number {
  return envelope.type === 'push' ? OVERHEAD + envelope.payload.data.length : OVERHEAD
}

export function writeEnvelope(writer: TlvWriter, envelope: Envelope): void {
  writer.number(EnvelopeTag.type, EnvelopeType[envelope.type])
  switch (envelope.type) {
    case 'push': {
      const { id, to, payload, except, key, hops, broadcast } = envelope
      writer.text(EnvelopeTag.id, id)
      writeRecipients(writer, to)
      writePayload(writer, payload)
      if (except !== undefined) writeExcept(writer, except)
      if (key !== undefined) writer.text(EnvelopeTag.key, key)
      if (hops > 0) writer.number(EnvelopeTag.hops, hops)
      if (broadcast !== undefined) writer.number(EnvelopeTag.broadcast, broadcast)
      const flags = flagsOf(envelope)
      if (flags > 0) writer.number(EnvelopeTag.flags, flags)
      return
    }
    case 'control':
      writeRecipients(writer, envelope.to)
      writeAction(writer, envelope.action)
      writer.text(EnvelopeTag.replyTo, envelope.replyTo)
      writer.number(EnvelopeTag.correlation, envelope.correlation)
      return
    case 'reply':
      writer.text(EnvelopeTag.from, envelope.from)
      writer.number(EnvelopeTag.correlation, envelope.correlation)
      writer.number(EnvelopeTag.count, envelope.count)
      return
    default:
      throw envelope satisfies never
  }
}

function flagsOf({ resent, named, payload }: PushEnvelope): number {
  const json = payload.kind === 'json' ? PushFlag.json : 0
  return json | (resent ? PushFlag.resent : 0) | (named === true ? PushFlag.named : 0)
}

function writePayload(writer: TlvWriter, { kind, data }: Payload): void {
  if (typeof data === 'string') writer.text(EnvelopeTag.text, data)
  else writer.bytes(kind === 'bytes' ? EnvelopeTag.binary : EnvelopeTag.text, data)
}

function writeRecipients(writer: TlvWriter, to: Recipients): void {
  const at = writer.begin(EnvelopeTag.to, OVERHEAD)
  writer.number(RecipientsTag.type, RecipientsType[to.type])
  writeRefs(writer, to)
  writer.end(at)
}

function writeRefs(writer: TlvWriter, to: Recipients): void {
  switch (to.type) {
    case 'users':
      for (const { uid, stamp } of to.users) writer.numberedText(RecipientsTag.stamped, stamp, uid)
      return
    case 'groups':
      for (const { group, stamp } of to.groups) writer.numberedText(RecipientsTag.stamped, stamp, group)
      return
    case 'connections':
      for (const connection of to.connections) writer.text(RecipientsTag.connection, connection)
      return
    case 'all':
      return
    default:
      throw to satisfies never
  }
}

function writeExcept(writer: TlvWriter, { uids, connections }: Except): void {
  const at = writer.begin(EnvelopeTag.except, OVERHEAD)
  for (const uid of uids) writer.text(ExceptTag.uid, uid)
  for (const connection of connections) writer.text(ExceptTag.connection, connection)
  writer.end(at)
}

function writeAction(writer: TlvWriter, action: ControlAction): void {
  const at = writer.begin(EnvelopeTag.action, OVERHEAD)
  writer.number(ActionTag.type, ActionType[action.type])
  if (action.type === 'close') {
    writer.number(ActionTag.code, action.code)
    writer.text(ActionTag.reason, action.reason)
  } else {
    for (const group of action.groups) writer.text(ActionTag.group, group)
  }
  writer.end(at)
}
