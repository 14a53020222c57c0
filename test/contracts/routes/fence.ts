import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Nodes } from '../../../src/drivers/nodes.ts'
import type { Change, Routes } from '../../../src/drivers/routes.ts'
import {
  asGroup,
  asUid,
  calm,
  type Candidate,
  CONCURRENCY,
  idsOf,
  joined,
  newConnection,
  newNode,
  stage,
} from '../stage.ts'
import { memberHere, userHere, whereIs } from './words.ts'

export function fence(candidate: () => Candidate<Nodes & Routes>): void {
  describe('the fence', { concurrency: CONCURRENCY }, () => {
    it('keeps out a node that never joined', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      assert.deepEqual(await one.apply(newNode(), [userHere('u1')]), { type: 'fenced' })
      assert.deepEqual(await whereIs(one, 'u1'), [])
    })

    // Invariant N5: behind the fence, nothing that a node writes has an effect.
    it('lets nothing that an evicted node writes have an effect, before and after it was cleaned up', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const zombie = state()
      const [node, other] = [await joined(zombie), await joined(one)]
      const kept = newConnection('kept')
      await zombie.apply(node, [userHere('kept', [kept]), memberHere('g1', kept)])
      const writes = async (): Promise<void> => {
        for (let index = 0; index < 20; index++) {
          const late = newConnection(`late-${index}`)
          const changes: Change[] = [
            userHere(`late-${index}`, [late]),
            memberHere(`late-${index}`, late),
            { type: 'connection', connection: late.connection, present: true },
          ]
          for (const change of changes) assert.deepEqual(await zombie.apply(node, [change]), { type: 'fenced' })
          const located = await one.locate({
            uids: [asUid(`late-${index}`)],
            groups: [asGroup(`late-${index}`)],
            connections: [{ connection: late.connection, node }],
          })
          assert.deepEqual(
            [located.uids, located.groups, located.connections].flat().flatMap(({ nodes }) => nodes),
            [],
          )
        }
      }
      await one.evict(node, 'evicted', other)
      await one.fence(node)
      await writes()
      await one.clean(node)
      await writes()
      await one.forget(node)
      await writes()
    })

    it('is up when `fence` has resolved, however many writes were on their way', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, zombie] = [state(), state()]
      const [node, other] = [await joined(zombie), await joined(one)]
      const names = Array.from({ length: 200 }, (_, index) => `u${index}`)
      const writing = names.map((uid) => zombie.apply(node, [userHere(uid), memberHere(uid, newConnection(uid))]))
      await one.evict(node, 'evicted', other)
      await one.fence(node)
      await one.clean(node)
      await Promise.all(writing)
      await one.clean(node)
      const located = await one.locate({ uids: names.map(asUid), groups: names.map(asGroup), connections: [] })
      assert.deepEqual(
        [...located.uids, ...located.groups].flatMap(({ nodes }) => nodes),
        [],
      )
      assert.deepEqual(await zombie.apply(node, [userHere('u1')]), { type: 'fenced' })
    })

    it('cleans up all that an evicted node wrote and nothing else, also if done twice or at the same time as others', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      const [node, other] = [await joined(one), await joined(one)]
      const names = Array.from({ length: 300 }, (_, index) => `name-${index}`)
      const changes = names.flatMap((name): Change[] => {
        const record = newConnection(name)
        return [
          userHere(name, [record]),
          memberHere(name, record),
          { type: 'connection', connection: record.connection, present: true },
        ]
      })
      await one.apply(node, changes)
      const stays = newConnection('name-0')
      await one.apply(other, [userHere('name-0', [stays]), memberHere('name-0', stays)])
      await one.evict(node, 'evicted', other)
      await one.fence(node)
      await Promise.all([one.clean(node), two.clean(node)])
      await one.clean(node)
      const connections = changes.flatMap((change) =>
        change.type === 'connection' ? [{ connection: change.connection, node }] : [],
      )
      const located = await one.locate({ uids: names.map(asUid), groups: names.map(asGroup), connections })
      assert.deepEqual(
        located.uids.flatMap(({ nodes }) => nodes),
        [other],
      )
      assert.deepEqual(
        located.groups.flatMap(({ nodes }) => nodes),
        [other],
      )
      assert.deepEqual(
        located.connections.flatMap(({ nodes }) => nodes),
        [],
      )
      assert.deepEqual(idsOf(await one.connections(asUid('name-0'))), [stays.connection])
      assert.equal((await one.members(asGroup('name-0'), 10)).memberCount, 1)
      assert.equal((await one.members(asGroup('name-1'), 10)).memberCount, 0)
    })

    it('leaves what the same connections wrote again under the next incarnation', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [node, next] = [await joined(one), newNode()]
      const record = newConnection('u1')
      const changes: Change[] = [
        userHere('u1', [record]),
        memberHere('g1', record),
        { type: 'connection', connection: record.connection, present: true },
      ]
      await one.apply(node, changes)
      await one.evict(node, 'evicted', node)
      await one.fence(node)
      await one.join({ node: next, name: 'n', startedAt: 1 })
      await one.apply(next, changes)
      await one.clean(node)
      await one.clean(node)
      assert.deepEqual(await one.connections(asUid('u1')), [{ ...record, node: next }])
      assert.deepEqual((await one.members(asGroup('g1'), 10)).members, [{ ...record, node: next }])
      const at = { connection: record.connection, node: next }
      const located = await one.locate({ uids: [], groups: [], connections: [at] })
      assert.deepEqual(located.connections[0]!.nodes, [next])
    })
  })
}
