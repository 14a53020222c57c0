import { bytesOfBase64, toBase64 } from './base64.ts'
import type { Recipients, Batch, Codec, ControlAction, Envelope } from './envelope.ts'
import type { ConnectionId, Group, NodeId, PushId, Uid } from './ids.ts'
import { type JsonFields, jsonFields, listOf, numberOf, textOf } from './json-fields.ts'
import type { Payload } from './payload.ts'
import type { Except } from './target.ts'
import { broken } from './tlv.ts'

const VERSION = 1
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const strictDecoder = new TextDecoder('utf-8', { fatal: true })

/** A codec whose batches can be read with `redis-cli`. It costs several times as much as `binary`. */
export const jsonCodec: Codec = {
  name: 'json',

  encode({ publisher, seq, envelopes }) {
    return encoder.encode(JSON.stringify({ version: VERSION, publisher, seq, envelopes: envelopes.map(writeEnvelope) }))
  },

  decode(bytes): Batch {
    const fields = jsonFields(parse(bytes), 'batch')
    if (fields['version'] !== VERSION) throw broken('it was not written by this version of the codec `json`')
    return {
      publisher: textOf(fields, 'publisher'),
      seq: numberOf(fields, 'seq'),
      envelopes: listOf(fields, 'envelopes', readEnvelope),
    }
  },
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(strictDecoder.decode(bytes))
  } catch (cause) {
    throw broken('it is not JSON', cause)
  }
}

function writeEnvelope(envelope: Envelope): object {
  if (envelope.type !== 'push') return envelope
  const { payload, ...rest } = envelope
  const { kind, data } = payload
  if (kind === 'bytes') return { ...rest, binary: toBase64(data) }
  const text = typeof data === 'string' ? data : decoder.decode(data)
  return kind === 'json' ? { ...rest, text, json: true } : { ...rest, text }
}

function readEnvelope(value: unknown): Envelope {
  const fields = jsonFields(value, 'envelope')
  switch (fields['type']) {
    case 'push':
      return {
        type: 'push',
        id: textOf(fields, 'id') as PushId,
        to: readRecipients(fields['to']),
        payload: readPayload(fields),
        except: readExcept(fields['except']),
        key: fields['key'] === undefined ? undefined : textOf(fields, 'key'),
        hops: numberOf(fields, 'hops'),
        resent: fields['resent'] === true,
        ...(fields['named'] === true && { named: true }),
        ...(fields['broadcast'] !== undefined && { broadcast: numberOf(fields, 'broadcast') }),
      }
    case 'control':
      return {
        type: 'control',
        to: readRecipients(fields['to']),
        action: readAction(fields['action']),
        replyTo: textOf(fields, 'replyTo') as NodeId,
        correlation: numberOf(fields, 'correlation'),
      }
    case 'reply':
      return {
        type: 'reply',
        from: textOf(fields, 'from') as NodeId,
        correlation: numberOf(fields, 'correlation'),
        count: numberOf(fields, 'count'),
      }
    default:
      throw broken('an envelope has an unknown type')
  }
}

function readPayload(fields: JsonFields): Payload {
  if (fields['binary'] !== undefined) return { kind: 'bytes', data: bytesOfBase64(textOf(fields, 'binary')) }
  return { kind: fields['json'] === true ? 'json' : 'text', data: textOf(fields, 'text') }
}

function readRecipients(value: unknown): Recipients {
  const fields = jsonFields(value, 'to')
  switch (fields['type']) {
    case 'users':
      return { type: 'users', users: listOf(fields, 'users', readUser) }
    case 'groups':
      return { type: 'groups', groups: listOf(fields, 'groups', readGroup) }
    case 'connections':
      return { type: 'connections', connections: texts<ConnectionId>(fields, 'connections') }
    case 'all':
      return { type: 'all' }
    default:
      throw broken('an envelope has an unknown kind of target')
  }
}

function readUser(value: unknown): { uid: Uid; stamp: number } {
  const fields = jsonFields(value, 'users')
  return { uid: textOf(fields, 'uid') as Uid, stamp: numberOf(fields, 'stamp') }
}

function readGroup(value: unknown): { group: Group; stamp: number } {
  const fields = jsonFields(value, 'groups')
  return { group: textOf(fields, 'group') as Group, stamp: numberOf(fields, 'stamp') }
}

function readExcept(value: unknown): Except | undefined {
  if (value === undefined) return undefined
  const fields = jsonFields(value, 'except')
  return { uids: texts<Uid>(fields, 'uids'), connections: texts<ConnectionId>(fields, 'connections') }
}

function readAction(value: unknown): ControlAction {
  const fields = jsonFields(value, 'action')
  switch (fields['type']) {
    case 'close':
      return { type: 'close', code: numberOf(fields, 'code'), reason: textOf(fields, 'reason') }
    case 'join':
      return { type: 'join', groups: texts<Group>(fields, 'groups') }
    case 'leave':
      return { type: 'leave', groups: texts<Group>(fields, 'groups') }
    default:
      throw broken('an envelope has an unknown action')
  }
}

function texts<T extends string>(fields: JsonFields, name: string): T[] {
  return listOf(fields, name, (value) => {
    if (typeof value !== 'string') throw broken(`${name} holds a value that is not a text`)
    return value as T
  })
}
