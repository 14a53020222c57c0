import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Broadcasts } from '../../../src/drivers/broadcasts.ts'
import type { Entry, Handler } from '../../../src/drivers/entry.ts'
import type { Inboxes, Published } from '../../../src/drivers/inboxes.ts'
import type { NodeId } from '../../../src/envelope/ids.ts'
import { until } from '../../support/until.ts'
import { newNode } from '../stage.ts'

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = ({ bytes }: Entry): string => Buffer.from(bytes).toString()
export const numbered = (count: number, word = 'm'): string[] =>
  Array.from({ length: count }, (_, index) => `${word}${index}`)

export async function opened(queue: Pick<Inboxes, 'open'>): Promise<NodeId> {
  const node = newNode()
  await queue.open(node)
  return node
}

export async function publishAllOf(queue: Inboxes, node: NodeId, texts: readonly string[]): Promise<void> {
  for (const text of texts) assert.equal(await queue.publish(node, bytesOf(text)), 'stored')
}

export async function broadcastAllOf(queue: Broadcasts, texts: readonly string[]): Promise<void> {
  for (const text of texts) assert.equal((await queue.publishAll(bytesOf(text))).type, 'stored')
}

/** Publishes until the inbox refuses, and answers what it took. */
export async function fill(publish: () => Promise<Published>, size: number): Promise<number> {
  let taken = 0
  for (;;) {
    const published = await publish()
    if (published === 'full') return taken
    assert.equal(published, 'stored')
    taken += size
  }
}

/** A handler that records what it got. */
export class Inbox {
  readonly entries: Entry[] = []
  readonly handler: Handler = (entries) => void this.entries.push(...entries)

  get texts(): string[] {
    return this.entries.map(textOf)
  }

  async received(count: number): Promise<void> {
    await until(`${count} entries arrive, ${this.entries.length} did`, () => this.entries.length >= count)
  }
}

/** The entries that a new reader gets. Leaves an entry of its own in the inbox, which later calls do not count. */
export async function unacked(queue: Inboxes, node: NodeId): Promise<string[]> {
  const inbox = new Inbox()
  const last = `look ${randomUUID()}`
  await publishAllOf(queue, node, [last])
  const stop = queue.consume(node, inbox.handler)
  await until('the last entry arrives', () => inbox.texts.includes(last))
  await stop()
  return inbox.texts.filter((text) => !text.startsWith('look '))
}
