import type { Uid } from '../../envelope/ids.ts'
import type { Ack, Cursor, Cursors } from '../cursors.ts'
import type { MemoryHandle } from './handle.ts'

export class MemoryCursors implements Cursors {
  readonly #handle: MemoryHandle

  constructor(handle: MemoryHandle) {
    this.#handle = handle
  }

  async moveCursors(acks: readonly Ack[]): Promise<void> {
    this.#handle.assertOpen()
    const { store } = this.#handle
    for (const ack of acks) {
      const log = store.logs.get({ type: 'user', uid: ack.uid })
      if (log !== undefined && store.logs.epochOf(log) === ack.epoch) log.moveCursor(ack, store.now())
    }
  }

  async cursors(uid: Uid): Promise<readonly Cursor[]> {
    this.#handle.assertOpen()
    const { store } = this.#handle
    return store.logs.get({ type: 'user', uid })?.cursors(store.now()) ?? []
  }
}
