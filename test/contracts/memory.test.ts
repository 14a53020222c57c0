import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryBroadcasts } from '../../src/drivers/memory/broadcasts.ts'
import { MemoryHandle } from '../../src/drivers/memory/handle.ts'
import { MemoryInboxes } from '../../src/drivers/memory/inboxes.ts'
import { LogTable } from '../../src/drivers/memory/log-table.ts'
import { MemoryStore } from '../../src/drivers/memory/memory-store.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { Child } from '../support/child.ts'
import { typescript } from '../support/typescript.ts'
import { KEEP, mailbox, textMessage } from './log/words.ts'
import { queueContract } from './queue.ts'
import { memberGone, memberHere } from './routes/words.ts'
import { asGroup, calm, joined, newConnection, newNode, stage } from './stage.ts'
import { stateContract } from './state.ts'

const driver = memory()

stateContract('memory', () => ({ driver }))
queueContract('memory', () => ({ driver }))

describe('the driver memory', () => {
  it('makes a cluster of those who share it, and nobody else sees that', async (t) => {
    const { state, settings } = stage(t, { driver })
    const node = await joined(state())
    const lives = async (other: typeof driver): Promise<string[]> =>
      (await other.state(settings).nodes()).live.map((live) => live.node)
    assert.deepEqual(await lives(driver), [node])
    assert.deepEqual(await lives(memory()), [])
  })

  it('keeps nothing of the broadcasts for a dead node once its minute is over, whether or not another comes', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { settings } = stage(t, { driver })
    const store = new MemoryStore()
    const handle = new MemoryHandle(store, settings)
    const [inboxes, broadcasts] = [new MemoryInboxes(handle), new MemoryBroadcasts(handle)]
    const [dead, living] = [newNode(), newNode()]
    await inboxes.open(dead)
    await inboxes.open(living)
    await broadcasts.publishAll(new Uint8Array(9))
    await broadcasts.replayAll(dead)
    await inboxes.destroy(dead)
    broadcasts.ackAll(living, String(store.broadcasts.last))
    assert.equal(store.broadcasts.after(-1, 9).length, 3, 'its process may wake up')
    const now = store.now()
    t.mock.method(store, 'now', () => now + 60_001)
    t.mock.timers.tick(60_001)
    assert.equal(store.broadcasts.after(-1, 9).length, 0)
  })

  // Invariant L7: all logs together are bounded.
  it('forgets the logs to which nothing was appended for longest when all together are too large', () => {
    const table = new LogTable('epoch', () => 1, 100_000)
    const uids = Array.from({ length: 100 }, (_, index) => `u${index}`)
    for (const uid of [...uids, ...uids].flatMap((uid) => [uid, 'often'])) {
      const keep = { ...KEEP, last: 1 }
      table.change(mailbox(uid), (log) => log.append(textMessage('x'.repeat(9_000)), keep, 0, undefined))
    }
    assert.equal(table.get(mailbox('often'))?.top, 200)
    const present = uids.filter((uid) => table.get(mailbox(uid)) !== undefined)
    assert.ok(present.length >= 8 && present.length <= 10, present.join(' '))
    assert.deepEqual(present, uids.slice(-present.length))
    table.change(mailbox('u99'), (log) => log.eraseAll())
    table.change(mailbox('new'), (log) => log.append(textMessage('x'.repeat(9_000)), KEEP, 0, undefined))
    assert.equal(table.get(mailbox(present[0]!))?.top, 1, 'what was erased makes room')
  })

  it('keeps at most 1,000 poisoned entries of a node', async (t) => {
    const { settings } = stage(t, { driver })
    const store = new MemoryStore()
    const inboxes = new MemoryInboxes(new MemoryHandle(store, settings))
    const node = newNode()
    for (let index = 0; index < 1_050; index++) {
      await inboxes.setAside(
        node,
        { position: String(index), bytes: new Uint8Array(1), offset: index, at: 0 },
        'poison',
      )
    }
    assert.equal(store.aside.get(node)?.length, 1_000)
    assert.equal(store.aside.get(node)?.at(-1)?.entry.position, '1049')
  })

  it('looks at about as many members as a page has, however many there are and have left', async (t) => {
    const one = stage(t, { driver }, calm).state()
    const node = await joined(one)
    const records = Array.from({ length: 5_000 }, () => newConnection())
    await one.apply(
      node,
      records.map((record) => memberHere('g', record)),
    )
    await one.apply(
      node,
      records.filter((_, index) => index % 3 === 0).map((record) => memberGone('g', record)),
    )
    let looks = 0
    class Counted extends Set<NodeId> {
      override has(): boolean {
        looks++
        return false
      }
    }
    let cursor: string | undefined
    let seen = 0
    do {
      looks = 0
      const page = await one.members(asGroup('g'), 100, cursor, new Counted())
      assert.ok(looks <= 101, `${looks} were looked at`)
      seen += page.members.length
      cursor = page.cursor
    } while (cursor !== undefined)
    assert.equal(seen, records.filter((_, index) => index % 3 !== 0).length)
  })

  it('does not keep the process alive, open as it may be', async () => {
    const source = `
      import { memory } from '${import.meta.resolve('../../src/drivers/memory/memory.ts')}'
      const settings = { prefix: 'p', heartbeat: 1000, deadAfter: 3000, storeWait: 1000, maxInboxBytes: 1000, logger: console }
      const { state, queue } = memory()
      await queue(settings).open('n-1')
      await state(settings).join({ node: 'n-1', name: 'n', startedAt: 1 })
      const reader = queue(settings)
      reader.consume('n-1', () => console.log('woken'))
      reader.consumeAll('n-1', () => {})
      await reader.publish('n-1', new Uint8Array(1))
      await reader.reserve('id', 'body', 600000)`
    const child = new Child(process.execPath, [...typescript, '--input-type=module', '--eval', source])
    assert.deepEqual(await child.exited, { code: 0, signal: null }, child.stderr)
    assert.match(child.stdout, /woken/)
  })
})
