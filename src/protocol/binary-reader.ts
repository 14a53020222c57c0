import {
  ActionTag,
  ActionType,
  AddressTag,
  AddressType,
  BatchTag,
  EnvelopeTag,
  EnvelopeType,
  ExceptTag,
  RESENT,
} from './binary-tags.ts'
import type { Address, Batch, ControlAction, Envelope } from './envelope.ts'
import type { ConnectionId, Group, NodeId, PushId, Uid } from './ids.ts'
import type { Payload } from './payload.ts'
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
        envelopes.push(readEnvelope(reader.fields()))
        break
      default:
        reader.value()
    }
  }
  return { publisher: required(publisher, 'publisher'), seq: required(seq, 'seq'), envelopes }
}

/** Whatever an envelope of any type may hold. */
interface Fields {
  type?: number
  id?: string
  to?: Address
  payload?: Payload
  except?: Except
  key?: string
  hops?: number
  flags?: number
  action?: ControlAction
  replyTo?: string
  correlation?: number
  from?: string
  count?: number
}

function readEnvelope(reader: TlvReader): Envelope {
  const fields: Fields = {}
  while (!reader.done) readField(reader, fields)
  switch (fields.type) {
    case EnvelopeType.push:
      return {
        type: 'push',
        id: required(fields.id, 'id') as PushId,
        to: required(fields.to, 'to'),
        payload: required(fields.payload, 'payload'),
        except: fields.except,
        key: fields.key,
        hops: fields.hops ?? 0,
        resent: ((fields.flags ?? 0) & RESENT) !== 0,
      }
    case EnvelopeType.control:
      return {
        type: 'control',
        to: required(fields.to, 'to'),
        action: required(fields.action, 'action'),
        replyTo: required(fields.replyTo, 'replyTo') as NodeId,
        correlation: required(fields.correlation, 'correlation'),
      }
    case EnvelopeType.reply:
      return {
        type: 'reply',
        from: required(fields.from, 'from') as NodeId,
        correlation: required(fields.correlation, 'correlation'),
        count: required(fields.count, 'count'),
      }
    default:
      throw broken(`its type is ${fields.type}`)
  }
}

function readField(reader: TlvReader, fields: Fields): unknown {
  switch (reader.tag()) {
    case EnvelopeTag.type:
      return (fields.type = reader.number())
    case EnvelopeTag.id:
      return (fields.id = reader.text())
    case EnvelopeTag.to:
      return (fields.to = readAddress(reader.fields()))
    case EnvelopeTag.text:
      return (fields.payload = { binary: false, data: reader.value() })
    case EnvelopeTag.binary:
      return (fields.payload = { binary: true, data: reader.value() })
    case EnvelopeTag.except:
      return (fields.except = readExcept(reader.fields()))
    case EnvelopeTag.key:
      return (fields.key = reader.text())
    case EnvelopeTag.hops:
      return (fields.hops = reader.number())
    case EnvelopeTag.flags:
      return (fields.flags = reader.number())
    case EnvelopeTag.action:
      return (fields.action = readAction(reader.fields()))
    case EnvelopeTag.replyTo:
      return (fields.replyTo = reader.text())
    case EnvelopeTag.correlation:
      return (fields.correlation = reader.number())
    case EnvelopeTag.from:
      return (fields.from = reader.text())
    case EnvelopeTag.count:
      return (fields.count = reader.number())
    default:
      return reader.value()
  }
}

function readAddress(reader: TlvReader): Address {
  let type: number | undefined
  const stamped: { number: number; text: string }[] = []
  const connections: ConnectionId[] = []
  while (!reader.done) {
    switch (reader.tag()) {
      case AddressTag.type:
        type = reader.number()
        break
      case AddressTag.stamped:
        stamped.push(reader.numberedText())
        break
      case AddressTag.connection:
        connections.push(reader.text() as ConnectionId)
        break
      default:
        reader.value()
    }
  }
  switch (type) {
    case AddressType.users:
      return { type: 'users', users: stamped.map(({ number, text }) => ({ uid: text as Uid, stamp: number })) }
    case AddressType.groups:
      return {
        type: 'groups',
        groups: stamped.map(({ number, text }) => ({ group: text as Group, stamp: number })),
      }
    case AddressType.connections:
      return { type: 'connections', connections }
    case AddressType.all:
      return { type: 'all' }
    default:
      throw broken(`its kind of target is ${type}`)
  }
}

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
        reader.value()
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
        reader.value()
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
      throw broken(`its action is ${type}`)
  }
}

function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw broken(`${field} is missing`)
  return value
}
