import type { Frame } from './frame.ts'
import type { Outbox } from './outbox.ts'

/**
 * Writes what has gathered in outboxes, once for each connection: at the end of the tick, or, where there is so much to
 * write that it takes the node's time, after a pause as long as the last round took. So at most half of the time goes
 * into writing, and the more there is, the more goes into one write. A lone message never waits.
 */
export class Flusher {
  #dirty: Outbox[] = []
  #notBefore = 0
  #run = new SharedRun()
  /** The one before: some of those who get the same messages may get them compressed. */
  #otherRun = new SharedRun()

  add(outbox: Outbox): void {
    if (this.#dirty.push(outbox) > 1) return
    const pause = this.#notBefore - performance.now()
    if (pause < SHORTEST_PAUSE) setImmediate(this.flush)
    else setTimeout(this.flush, pause)
  }

  /** The bytes of frames that are written together: the same ones for all who get the same frames one after another. */
  join(frames: readonly Frame[]): Buffer {
    if (frames.length === 1) return frames[0]!.bytes
    if (!this.#run.isOf(frames)) {
      ;[this.#run, this.#otherRun] = [this.#otherRun, this.#run]
      if (!this.#run.isOf(frames)) this.#run.join(frames)
    }
    return this.#run.bytes
  }

  /** Writes now what else would be written later. */
  readonly flush = (): void => {
    const begin = performance.now()
    const dirty = this.#dirty
    this.#dirty = []
    for (const outbox of dirty) outbox.flush()
    this.#run.forget()
    this.#otherRun.forget()
    const end = performance.now()
    this.#notBefore = end + Math.min(end - begin, LONGEST_PAUSE)
  }
}

/** ms; a timer cannot wait for less. */
const SHORTEST_PAUSE = 1
/** ms that a message may wait for those ahead of it to be written. */
const LONGEST_PAUSE = 20

/** Remembers a run of frames that was joined: in a burst of broadcasts it is the same one for everyone. */
class SharedRun {
  #frames: readonly Frame[] = []
  #bytes: Buffer = Buffer.alloc(0)

  get bytes(): Buffer {
    return this.#bytes
  }

  join(frames: readonly Frame[]): void {
    this.#frames = frames
    this.#bytes = Buffer.concat(frames.map(({ bytes }) => bytes))
  }

  forget(): void {
    this.#frames = []
    this.#bytes = Buffer.alloc(0)
  }

  isOf(frames: readonly Frame[]): boolean {
    const known = this.#frames
    if (frames.length !== known.length) return false
    for (let index = 0; index < frames.length; index++) if (frames[index] !== known[index]) return false
    return true
  }
}
