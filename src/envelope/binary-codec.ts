import { readBatch } from './binary-reader.ts'
import { sizeHintOfBatch, writeBatch } from './binary-writer.ts'
import type { Batch, Codec } from './envelope.ts'
import { broken, TlvReader, TlvWriter } from './tlv.ts'

// A batch is `F1 07`, the version, a length, and as many bytes of fields.
const MAGIC = Uint8Array.of(0xf1, 0x07)
const VERSION = 1
/** Bytes of it all, at most. */
const HEADER = 12
/** A larger batch gets a writer of its own, so that one of them does not hold its memory for ever. */
const SHARED_MAX = 64 * 1024

class BinaryCodec implements Codec {
  readonly name = 'binary'
  readonly #shared = new TlvWriter(SHARED_MAX)

  encode(batch: Batch): Uint8Array {
    const size = sizeHintOfBatch(batch)
    if (size > SHARED_MAX) return write(new TlvWriter(size + HEADER), batch, size)
    this.#shared.reset()
    return write(this.#shared, batch, size).slice()
  }

  decode(bytes: Uint8Array): Batch {
    if (bytes[0] !== MAGIC[0] || bytes[1] !== MAGIC[1]) throw broken('it was not written by the codec `binary`')
    if (bytes[2] !== VERSION) throw broken(`its version is ${bytes[2]}, known is ${VERSION}`)
    const reader = new TlvReader(bytes.subarray(3))
    const outerEnd = reader.enter()
    const batch = readBatch(reader)
    reader.leave(outerEnd)
    if (!reader.done) throw broken('it is followed by more')
    return batch
  }
}

/** Compact, and quick to write: the default. */
export const binaryCodec: Codec = new BinaryCodec()

function write(writer: TlvWriter, batch: Batch, sizeHint: number): Uint8Array {
  writer.raw(MAGIC)
  writer.varint(VERSION)
  const at = writer.beginSized(sizeHint)
  writeBatch(writer, batch)
  writer.end(at)
  return writer.finish()
}
