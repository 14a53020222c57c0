import { readFile } from 'node:fs/promises'

/** The size of a row: two doubles and two 32-bit numbers. */
const ROW_BYTES = 24
const EVENTS = ['', 'ready', 'left', 'message'] as const

/** An event of one connection of the load client. Times are ns of the client's clock. */
export interface JournalRow {
  readonly event: 'ready' | 'left' | 'message'
  /** The connection's place in its fleet. */
  readonly place: number
  readonly at: number
  /** When the message was sent. */
  readonly sentAt: number
}

/** Everything that a load client has recorded, in order. The generator reuses one object for all rows. */
export async function readJournal(file: string): Promise<Iterable<JournalRow>> {
  return rowsOf(await readFile(file))
}

function* rowsOf(bytes: Buffer): Generator<JournalRow> {
  const { buffer, byteOffset } = bytes
  const rows = new DataView(buffer, byteOffset, bytes.length)
  const row: { -readonly [Key in keyof JournalRow]: JournalRow[Key] } = { event: 'ready', place: 0, at: 0, sentAt: 0 }
  for (let start = 0; start + ROW_BYTES <= bytes.length; start += ROW_BYTES) {
    row.at = rows.getFloat64(start, true)
    row.sentAt = rows.getFloat64(start + 8, true)
    row.place = rows.getUint32(start + 16, true)
    row.event = EVENTS[rows.getUint32(start + 20, true)] as JournalRow['event']
    yield row
  }
}
