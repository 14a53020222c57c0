import assert from 'node:assert/strict'
import type { PushIds } from '../../src/drivers/push-ids.ts'
import type { PushId } from '../../src/envelope/ids.ts'

const TEN_MINUTES = 600_000

/** Reserves and settles an id, as a push to `offline` that reached nobody does. */
export async function settled(queue: PushIds, id: string, offline: readonly string[]): Promise<void> {
  const pushId = `c:${id}` as PushId
  assert.equal((await queue.reserve(pushId, 'a digest of 28 characters...', 15_000)).type, 'fresh')
  await queue.settle(pushId, 'a digest of 28 characters...', { id, nodeCount: 1, offline }, TEN_MINUTES)
}
