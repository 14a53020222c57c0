import type { Receipt } from '../../api.ts'
import type { NodeId, PushId } from '../../envelope/ids.ts'
import { LONGEST_ID, type PushIds, type Reservation } from '../push-ids.ts'
import type { MemoryHandle } from './handle.ts'
import type { IdRecord } from './memory-store.ts'

export class MemoryPushIds implements PushIds {
  readonly #handle: MemoryHandle

  constructor(handle: MemoryHandle) {
    this.#handle = handle
  }

  async reserve(id: PushId, digest: string, ttl: number): Promise<Reservation> {
    this.#handle.assertOpen()
    const { store } = this.#handle
    const now = store.now()
    const known = store.ids.get(id, now)
    if (known !== undefined && known.digest !== digest) return { type: 'conflict' }
    if (known?.state === 'done') return { type: 'done', receipt: known.receipt }
    if (known !== undefined && known.heldUntil > now) return { type: 'pending' }
    const stored = known?.stored ?? []
    this.#set(id, { state: 'open', digest, heldUntil: now + Math.min(ttl, LONGEST_ID), stored }, ttl)
    return { type: 'fresh', stored }
  }

  async settle(id: PushId, digest: string, receipt: Receipt, ttl: number): Promise<void> {
    this.#handle.assertOpen()
    if (!this.#isSettled(id)) this.#set(id, { state: 'done', digest, receipt }, ttl)
  }

  async release(id: PushId, digest: string, stored: readonly NodeId[], ttl: number): Promise<void> {
    this.#handle.assertOpen()
    if (this.#isSettled(id)) return
    if (stored.length === 0) this.#handle.store.ids.delete(id)
    else this.#set(id, { state: 'open', digest, heldUntil: 0, stored: [...stored] }, ttl)
  }

  #isSettled(id: PushId): boolean {
    const { store } = this.#handle
    return store.ids.get(id, store.now())?.state === 'done'
  }

  #set(id: PushId, record: IdRecord, ttl: number): void {
    const { store } = this.#handle
    store.ids.set(id, record, store.now(), Math.min(ttl, LONGEST_ID))
  }
}
