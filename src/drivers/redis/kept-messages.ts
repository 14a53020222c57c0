// How kept messages are written into the lists of logs and read back: see `MESSAGES` in scripts/log.ts.
import type { PushId } from '../../envelope/ids.ts'
import type { KeptExcept, KeptMessage, LoggedMessage } from '../log.ts'

/** The number and the time, which the script puts in front. */
const HEAD = 12
/** The lengths of id and key. */
const LENGTHS = 4
const MAX_NAME = 65_535

/** @throws RangeError if the id or the key has more than 65,535 bytes */
export function writeMessage({ id, key = '', event, except, payload }: KeptMessage): Buffer {
  const names = [Buffer.from(id), Buffer.from(key)] as const
  if (names.some(({ length }) => length > MAX_NAME)) throw new RangeError('the id or key of a message is too long')
  const rest = writeRest(event, except)
  const lengths = Buffer.allocUnsafe(LENGTHS)
  lengths.writeUInt16BE(names[0].length, 0)
  lengths.writeUInt16BE(names[1].length, 2)
  const restLength = Buffer.allocUnsafe(4)
  restLength.writeUInt32BE(rest.length)
  return Buffer.concat([lengths, ...names, restLength, rest, payload])
}

/** Undefined if somebody else wrote this. */
export function readMessage(row: Buffer): LoggedMessage | undefined {
  try {
    return parseMessage(row)
  } catch {
    // Invariant K9: a value that cannot be read counts as absent.
    return undefined
  }
}

function parseMessage(row: Buffer): LoggedMessage {
  const idEnd = HEAD + LENGTHS + row.readUInt16BE(HEAD)
  const keyEnd = idEnd + row.readUInt16BE(HEAD + 2)
  const restEnd = keyEnd + 4 + row.readUInt32BE(keyEnd)
  if (restEnd > row.length) throw new RangeError('the row ends too early')
  const key = row.toString('utf8', idEnd, keyEnd)
  const { event, except } = readRest(row.toString('utf8', keyEnd + 4, restEnd))
  return {
    number: row.readUIntBE(0, 6),
    at: row.readUIntBE(6, 6),
    id: row.toString('utf8', HEAD + LENGTHS, idEnd) as PushId,
    ...(event !== undefined && { event }),
    ...(key !== '' && { key }),
    ...(except !== undefined && { except }),
    payload: new Uint8Array(row.buffer, row.byteOffset + restEnd, row.length - restEnd),
  }
}

/** Empty, or `[event, uids, devices]`. Most messages have neither an event's name nor exceptions. */
function writeRest(event: string | undefined, except: KeptExcept | undefined): Buffer {
  if (event === undefined && except === undefined) return Buffer.alloc(0)
  const parts = except === undefined ? [event] : [event ?? null, except.uids, except.devices]
  return Buffer.from(JSON.stringify(parts))
}

function readRest(text: string): { event?: string; except?: KeptExcept } {
  if (text === '') return {}
  const [event, uids, devices] = JSON.parse(text) as [string | null, string[]?, string[]?]
  return {
    ...(typeof event === 'string' && { event }),
    ...(Array.isArray(uids) && Array.isArray(devices) && { except: { uids, devices } }),
  }
}
