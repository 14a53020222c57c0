import { readBatch } from './binary-reader.ts'
import { sizeHintOfBatch, writeBatch } from './binary-writer.ts'
import type { Batch, Codec } from './envelope.ts'
import { broken, TlvReader, TlvWriter } from './tlv.ts'

// A batch is the bytes `F1 07`, the version, the length of the fields in bytes, and the fields.
const MAGIC = Uint8Array.of(0xf1, 0x07)
const VERSION = 1
/** The most bytes that magic, version and length take. */
const HEADER = 12
/** A larger batch gets a writer of its own. Otherwise the shared writer would keep the memory of the largest one. */
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
    if (bytes[2] !== VERSION) throw broken(`its version is ${bytes[2]}, this node reads only version ${VERSION}`)
    const reader = new TlvReader(bytes.subarray(3))
    const outerEnd = reader.enter()
    const batch = readBatch(reader)
    reader.leave(outerEnd)
    if (!reader.done) throw broken('further bytes follow it')
    return batch
  }
}

/** The default codec: compact, and quick to write. */
export const binaryCodec: Codec = new BinaryCodec()

function write(writer: TlvWriter, batch: Batch, sizeHint: number): Uint8Array {
  writer.raw(MAGIC)
  writer.varint(VERSION)
  const at = writer.beginSized(sizeHint)
  writeBatch(writer, batch)
  writer.end(at)
  return writer.finish()
}
