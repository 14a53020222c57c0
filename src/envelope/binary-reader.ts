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
import type {
  Recipients,
  Batch,
  ControlAction,
  ControlEnvelope,
  Envelope,
  GroupRef,
  PushEnvelope,
  ReplyEnvelope,
  UserRef,
} from './envelope.ts'
import type { ConnectionId, Group, NodeId, PushId, Uid } from './ids.ts'
import type { PayloadKind } from './payload.ts'
import type { Except } from './target.ts'
import { broken, type TlvReader } from './tlv.ts'

export function readBatch(reader: TlvReader): Batch {
  let publisher: string | undefined
  let seq: number | undefined
  const envelopes: Envelope[] = []
  while (!reader.done) {
    switch (reader.tag()) {
      case BatchTag.publisher:
        publisher = reader.text()
        break
      case BatchTag.seq:
        seq = reader.number()
        break
      case BatchTag.envelope:
        envelopes.push(within(reader, readEnvelope))
        break
      default:
        reader.skip()
    }
  }
  return { publisher: required(publisher, 'publisher'), seq: required(seq, 'seq'), envelopes }
}

/** Reads a field that contains fields. */
function within<T>(reader: TlvReader, read: (reader: TlvReader) => T): T {
  const outerEnd = reader.enter()
  const value = read(reader)
  reader.leave(outerEnd)
  return value
}

/** Reads the type, which must come first, because it decides what the other fields mean. */
function readType(reader: TlvReader, typeTag: number): number {
  if (reader.done || reader.tag() !== typeTag) throw broken('a type is missing')
  return reader.number()
}

function readEnvelope(reader: TlvReader): Envelope {
  const type = readType(reader, EnvelopeTag.type)
  switch (type) {
    case EnvelopeType.push:
      return readPush(reader)
    case EnvelopeType.control:
      return readControl(reader)
    case EnvelopeType.reply:
      return readReply(reader)
    default:
      throw broken(`an envelope has the unknown type ${type}`)
  }
}

function readPush(reader: TlvReader): PushEnvelope {
  let id: string | undefined
  let to: Recipients | undefined
  let data: Uint8Array | undefined
  let isText = false
  let except: Except | undefined
  let key: string | undefined
  let hops = 0
  let broadcast: number | undefined
  let flags = 0
  while (!reader.done) {
    switch (reader.tag()) {
      case EnvelopeTag.id:
        id = reader.text()
        break
      case EnvelopeTag.to:
        to = within(reader, readRecipients)
        break
      case EnvelopeTag.text:
        data = reader.value()
        isText = true
        break
      case EnvelopeTag.binary:
        data = reader.value()
        isText = false
        break
      case EnvelopeTag.except:
        except = within(reader, readExcept)
        break
      case EnvelopeTag.key:
        key = reader.text()
        break
      case EnvelopeTag.hops:
        hops = reader.number()
        break
      case EnvelopeTag.broadcast:
        broadcast = reader.number()
        break
      case EnvelopeTag.flags:
        flags = reader.number()
        break
      default:
        reader.skip()
    }
  }
  const push: PushEnvelope = {
    type: 'push',
    id: required(id, 'id') as PushId,
    to: required(to, 'to'),
    payload: { kind: kindOf(isText, flags), data: required(data, 'payload') },
    except,
    key,
    hops,
    resent: (flags & PushFlag.resent) !== 0,
  }
  const isNamed = (flags & PushFlag.named) !== 0
  if (!isNamed && broadcast === undefined) return push
  return { ...push, ...(isNamed && { named: true }), ...(broadcast !== undefined && { broadcast }) }
}

function kindOf(isText: boolean, flags: number): PayloadKind {
  if (!isText) return 'bytes'
  return (flags & PushFlag.json) === 0 ? 'text' : 'json'
}

function readControl(reader: TlvReader): ControlEnvelope {
  let to: Recipients | undefined
  let action: ControlAction | undefined
  let replyTo: string | undefined
  let correlation: number | undefined
  while (!reader.done) {
    switch (reader.tag()) {
      case EnvelopeTag.to:
        to = within(reader, readRecipients)
        break
      case EnvelopeTag.action:
        action = within(reader, readAction)
        break
      case EnvelopeTag.replyTo:
        replyTo = reader.text()
        break
      case EnvelopeTag.correlation:
        correlation = reader.number()
        break
      default:
        reader.skip()
    }
  }
  return {
    type: 'control',
    to: required(to, 'to'),
    action: required(action, 'action'),
    replyTo: required(replyTo, 'replyTo') as NodeId,
    correlation: required(correlation, 'correlation'),
  }
}

function readReply(reader: TlvReader): ReplyEnvelope {
  let from: string | undefined
  let correlation: number | undefined
  let count: number | undefined
  while (!reader.done) {
    switch (reader.tag()) {
      case EnvelopeTag.from:
        from = reader.text()
        break
      case EnvelopeTag.correlation:
        correlation = reader.number()
        break
      case EnvelopeTag.count:
        count = reader.number()
        break
      default:
        reader.skip()
    }
  }
  return {
    type: 'reply',
    from: required(from, 'from') as NodeId,
    correlation: required(correlation, 'correlation'),
    count: required(count, 'count'),
  }
}

function readRecipients(reader: TlvReader): Recipients {
  const type = readType(reader, RecipientsTag.type)
  switch (type) {
    case RecipientsType.users:
      return { type: 'users', users: readAll(reader, RecipientsTag.stamped, readUser) }
    case RecipientsType.groups:
      return { type: 'groups', groups: readAll(reader, RecipientsTag.stamped, readGroup) }
    case RecipientsType.connections:
      return { type: 'connections', connections: readAll(reader, RecipientsTag.connection, readConnection) }
    case RecipientsType.all:
      return { type: 'all' }
    default:
      throw broken(`an envelope has the unknown kind of target ${type}`)
  }
}

/** Reads all fields with one tag, and skips the others. */
function readAll<T>(reader: TlvReader, tag: number, read: (reader: TlvReader) => T): T[] {
  const found: T[] = []
  while (!reader.done) {
    if (reader.tag() === tag) found.push(within(reader, read))
    else reader.skip()
  }
  return found
}

function readUser(reader: TlvReader): UserRef {
  const stamp = reader.varint()
  return { uid: reader.restAsText() as Uid, stamp }
}

function readGroup(reader: TlvReader): GroupRef {
  const stamp = reader.varint()
  return { group: reader.restAsText() as Group, stamp }
}

const readConnection = (reader: TlvReader): ConnectionId => reader.restAsText() as ConnectionId

function readExcept(reader: TlvReader): Except {
  const uids: Uid[] = []
  const connections: ConnectionId[] = []
  while (!reader.done) {
    switch (reader.tag()) {
      case ExceptTag.uid:
        uids.push(reader.text() as Uid)
        break
      case ExceptTag.connection:
        connections.push(reader.text() as ConnectionId)
        break
      default:
        reader.skip()
    }
  }
  return { uids, connections }
}

function readAction(reader: TlvReader): ControlAction {
  let type: number | undefined
  let code: number | undefined
  let reason: string | undefined
  const groups: Group[] = []
  while (!reader.done) {
    switch (reader.tag()) {
      case ActionTag.type:
        type = reader.number()
        break
      case ActionTag.code:
        code = reader.number()
        break
      case ActionTag.reason:
        reason = reader.text()
        break
      case ActionTag.group:
        groups.push(reader.text() as Group)
        break
      default:
        reader.skip()
    }
  }
  switch (type) {
    case ActionType.close:
      return { type: 'close', code: required(code, 'code'), reason: required(reason, 'reason') }
    case ActionType.join:
      return { type: 'join', groups }
    case ActionType.leave:
      return { type: 'leave', groups }
    default:
      throw broken(`an envelope has the unknown action ${type}`)
  }
}

function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw broken(`${field} is missing`)
  return value
}
