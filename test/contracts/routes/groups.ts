import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Nodes } from '../../../src/drivers/nodes.ts'
import type { ConnectionRecord, Routes } from '../../../src/drivers/routes.ts'
import type { NodeId } from '../../../src/envelope/ids.ts'
import { hostileIds } from '../../support/arbitraries.ts'
import { asGroup, asUid, calm, type Candidate, CONCURRENCY, idsOf, joined, newConnection, stage } from '../stage.ts'
import { appliedTo, memberGone, memberHere, routesOf, userHere, whereIsGroup } from './words.ts'

export function groups(candidate: () => Candidate<Nodes & Routes>): void {
  describe('groups', { concurrency: CONCURRENCY }, () => {
    it('are located on every node that has a member, and list members with their metadata', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      const [user, anonymous, other] = [newConnection('ü#1'), newConnection(), newConnection('u2')]
      await one.apply(a, [memberHere('g1', user), memberHere('g1', anonymous)])
      await one.apply(b, [memberHere('g1', other), memberHere('g2', other)])
      assert.deepEqual(await whereIsGroup(one, 'g1'), [a, b].toSorted())
      assert.deepEqual(await whereIsGroup(one, 'g2'), [b])
      const { members, memberCount, cursor } = await one.members(asGroup('g1'), 10)
      assert.equal(memberCount, 3)
      assert.equal(cursor, undefined)
      const byId = new Map(members.map((member) => [member.connection, member]))
      assert.deepEqual(byId.get(user.connection), { ...user, node: a })
      assert.deepEqual(byId.get(anonymous.connection), { ...anonymous, node: a })
      assert.deepEqual(byId.get(other.connection), { ...other, node: b })
    })

    it('neither list nor count members on an ignored node', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      const [here, there] = [newConnection('u1'), newConnection('u2')]
      await one.apply(a, [memberHere('g1', here)])
      await one.apply(b, [memberHere('g1', there)])
      const page = await one.members(asGroup('g1'), 1, undefined, new Set([a]))
      assert.deepEqual(page, { members: [{ ...there, node: b }], memberCount: 1 })
    })

    it('keep a node as long as one of its members stays', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      const [first, second] = [newConnection(), newConnection()]
      await one.apply(node, [memberHere('g1', first), memberHere('g1', second), memberGone('g1', first)])
      assert.deepEqual(await whereIsGroup(one, 'g1'), [node])
      await one.apply(node, [memberGone('g1', second)])
      assert.deepEqual(await whereIsGroup(one, 'g1'), [])
      assert.deepEqual(await one.members(asGroup('g1'), 10), { members: [], memberCount: 0 })
    })

    it('may have any name', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      const names = hostileIds.map(asGroup)
      const here = names.filter((_, index) => index % 2 === 0)
      const connection = newConnection('u1')
      await one.apply(
        node,
        here.map((group) => memberHere(group, connection)),
      )
      for (const group of names) {
        const expected = here.includes(group) ? [connection.connection] : []
        assert.deepEqual(idsOf((await one.members(group, 10)).members), expected, JSON.stringify(group))
      }
      const located = await one.locate({ uids: [], groups: names, connections: [] })
      for (const [index, group] of names.entries()) {
        assert.deepEqual(located.groups[index]!.nodes, here.includes(group) ? [node] : [], JSON.stringify(group))
      }
      await one.evict(node, 'closed', node)
      await one.fence(node)
      await one.clean(node)
      for (const group of names) assert.equal((await one.members(group, 10)).memberCount, 0)
    })

    it('of a node that is no longer listed are known until it is cleaned', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const node = await joined(one)
      const [u1, u2] = [newConnection('u1'), newConnection('u2')]
      await one.apply(node, [userHere('u1', [u1]), memberHere('a', u1), memberHere('b', u1), memberHere('b', u2)])
      await one.evict(node, 'evicted', node)
      await one.fence(node)
      for (let time = 0; time < 2; time++) {
        await one.unlist(node)
        const located = await one.locate({ uids: [asUid('u1')], groups: [asGroup('a')], connections: [] })
        assert.deepEqual(
          [...located.uids, ...located.groups].flatMap(({ nodes }) => nodes),
          [],
        )
        assert.equal((await one.members(asGroup('b'), 10)).memberCount, 0)
        const groups = await one.groupsOn(node)
        assert.deepEqual([...groups.keys()].toSorted(), ['a', 'b'])
        assert.deepEqual(groups.get(asGroup('b'))?.toSorted(), ['u1', 'u2'])
      }
      await one.clean(node)
      assert.equal((await one.groupsOn(node)).size, 0)
    })

    it('of a node are listed with their users, until it is cleaned', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      const [a, b] = [await joined(one), await joined(two)]
      const [phone, laptop, anonymous] = [newConnection('u1'), newConnection('u1'), newConnection()]
      await one.apply(a, [memberHere('g1', phone), memberHere('g1', laptop), memberHere('g2', anonymous)])
      await two.apply(b, [memberHere('g1', newConnection('u2'))])
      assert.deepEqual([...(await two.groupsOn(a))], [[asGroup('g1'), ['u1']]])
      await one.evict(a, 'closed', b)
      await one.fence(a)
      await two.clean(a)
      assert.deepEqual([...(await two.groupsOn(a))], [])
    })

    for (const limit of [1, 7, 29, 30, 31]) {
      it(`give every member once over pages of at most ${limit}`, async (t) => {
        const { state } = stage(t, candidate(), calm)
        const one = state()
        const records = await fillGroup(one, [await joined(one), await joined(one), await joined(one)], 30)
        const pages = await pagesOf(one, limit)
        for (const { length } of pages) assert.ok(length <= limit)
        assert.deepEqual(idsOf(pages.flat().map((connection) => ({ connection }))), idsOf(records))
      })
    }

    it('give every member that stays while others come and go between pages', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const nodes = [await joined(one), await joined(one)]
      const records = await fillGroup(one, nodes, 40)
      const leaving = records.filter((_, index) => index % 4 === 0)
      const pages = await pagesOf(one, 5, async (page) => {
        const next = leaving.pop()
        if (next !== undefined) await one.apply(nodes[records.indexOf(next) % 2]!, [memberGone('g1', next)])
        await one.apply(nodes[page % 2]!, [memberHere('g1', newConnection())])
        // A member that is written again keeps its place.
        await one.apply(nodes[1]!, [memberHere('g1', records[1]!)])
      })
      const seen = pages.flat()
      for (const [index, { connection }] of records.entries()) {
        if (index % 4 !== 0) assert.ok(seen.includes(connection), `${connection} was left out`)
      }
    })

    it('give every member that stays, though the group grows to many times its size meanwhile, and shrinks again', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      const records = Array.from({ length: 300 }, () => newConnection())
      await one.apply(
        a,
        records.map((record) => memberHere('g1', record)),
      )
      await one.apply(b, [memberHere('g1', newConnection())])
      let others: ConnectionRecord[] = []
      const pages = await pagesOf(one, 17, async (page) => {
        if (page % 4 === 3) {
          await one.apply(
            a,
            others.map((record) => memberGone('g1', record)),
          )
          others = []
          return
        }
        const more = Array.from({ length: page < 6 ? 700 : 20 }, () => newConnection())
        others.push(...more)
        await one.apply(
          a,
          more.map((record) => memberHere('g1', record)),
        )
      })
      const seen = new Set(pages.flat())
      for (const { length } of pages) assert.ok(length <= 17)
      assert.deepEqual(
        records.filter(({ connection }) => !seen.has(connection)),
        [],
      )
    })

    it('refuse a cursor that no page gave, and take what is left of a node that has gone', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      await fillGroup(one, [a, b], 10)
      const { cursor } = await one.members(asGroup('g1'), 3)
      for (const bad of ['', ' ', 'x', 'n >', 'n 1 ', 'n x', 'n >a b']) {
        await assert.rejects(one.members(asGroup('g1'), 3, bad), { code: 'FLT_BAD_REQUEST' }, JSON.stringify(bad))
      }
      for (const gone of [a, b].toSorted()) {
        await one.evict(gone, 'closed', gone)
        await one.fence(gone)
        await one.clean(gone)
        const { members } = await one.members(asGroup('g1'), 100, cursor)
        assert.ok(members.every(({ node }) => node !== gone))
      }
    })

    it('give later lookups no smaller stamp than a member who left was given', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const node = await joined(one)
      const [leaving, staying] = [newConnection('u1'), newConnection('u2')]
      await one.apply(node, [memberHere('g1', leaving), memberHere('g1', staying)])
      const { group: before } = await routesOf(one, 'none', 'g1')
      const { stamps } = await appliedTo(one, node, [memberGone('g1', leaving)])
      const { group: after } = await routesOf(one, 'none', 'g1')
      assert.ok(before.stamp < stamps[0]! && stamps[0]! <= after.stamp)
    })
  })
}

async function fillGroup(state: Routes, nodes: NodeId[], count: number): Promise<ConnectionRecord[]> {
  const records = Array.from({ length: count }, () => newConnection())
  for (const [index, record] of records.entries()) {
    await state.apply(nodes[index % nodes.length]!, [memberHere('g1', record)])
  }
  return records
}

async function pagesOf(state: Routes, limit: number, between?: (page: number) => Promise<void>): Promise<string[][]> {
  const pages: string[][] = []
  let cursor: string | undefined
  do {
    const page = await state.members(asGroup('g1'), limit, cursor)
    pages.push(page.members.map(({ connection }) => connection))
    cursor = page.cursor
    await between?.(pages.length)
    assert.ok(pages.length < 200, 'the pages never end')
  } while (cursor !== undefined)
  return pages
}
