import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NodeList, Nodes } from '../../../src/drivers/nodes.ts'
import type { Routes } from '../../../src/drivers/routes.ts'
import type { NodeId } from '../../../src/envelope/ids.ts'
import { elapse, until } from '../../support/until.ts'
import { userHere } from '../routes/words.ts'
import { calm, type Candidate, CONCURRENCY, joined, newNode, stage } from '../stage.ts'
import { asRenewed, liveNodes } from './words.ts'

export function membership(candidate: () => Candidate<Nodes & Pick<Routes, 'apply'>>): void {
  describe('membership', { concurrency: CONCURRENCY }, () => {
    it('lists a node that joined with what it said of itself, and as seen now', async (t) => {
      const { state, settings } = stage(t, candidate())
      const node = newNode('web')
      const before = Date.now()
      await state().join({ node, name: 'web', url: 'http://10.0.0.1:18308', startedAt: 1_700_000_000_123 })
      const { live, gone } = await state().nodes()
      assert.deepEqual(gone, [])
      assert.equal(live.length, 1)
      const { lastSeen, ...rest } = live[0]!
      assert.ok(Math.abs(lastSeen - before) < 60_000, `${lastSeen} is not the time`)
      assert.deepEqual(rest, {
        node,
        deadAfter: settings.deadAfter,
        name: 'web',
        url: 'http://10.0.0.1:18308',
        startedAt: 1_700_000_000_123,
        connectionCount: 0,
      })
    })

    it('lists a node that joined twice only once, and lets it write', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const record = { node: newNode(), name: 'n', startedAt: 1 }
      await one.join(record)
      await one.join(record)
      assert.equal((await one.nodes()).live.length, 1)
      assert.equal((await one.apply(record.node, [userHere('u1')])).type, 'applied')
    })

    it('lists every node to every other', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const handles = [state(), state(), state()]
      const nodes = await Promise.all(handles.map((handle) => joined(handle)))
      for (const handle of handles) assert.deepEqual(await liveNodes(handle), nodes.toSorted())
    })

    it('raises the version whenever a node joins, leaves or was cleaned up', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const versions = [(await one.nodes()).version]
      const node = await joined(one)
      versions.push((await one.nodes()).version)
      const other = await joined(one)
      versions.push((await one.nodes()).version)
      await one.evict(other, 'evicted', node)
      versions.push((await one.nodes()).version)
      await one.forget(other)
      versions.push((await one.nodes()).version)
      for (const [index, version] of versions.entries()) {
        if (index > 0) assert.ok(version > versions[index - 1]!, `versions were ${versions.join(', ')}`)
      }
      const renewal = asRenewed(await one.renew(node, 0))
      assert.equal(renewal.version, versions.at(-1))
    })

    it('answers the same nodes if it is given an earlier list', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const lists = [await one.nodes()]
      const agree = async (): Promise<void> => {
        const whole = await one.nodes()
        for (const before of [undefined, ...lists]) assert.deepEqual(whoIsIn(await one.nodes(before)), whoIsIn(whole))
        lists.push(whole)
      }
      const nodes: NodeId[] = []
      for (let count = 0; count < 4; count++) {
        nodes.push(await joined(one))
        await agree()
      }
      const [a, b, c, d] = nodes
      await one.evict(a!, 'closed', a!)
      await agree()
      await Promise.all([one.evict(b!, 'evicted', d!), one.forget(a!)])
      await agree()
      nodes.push(await joined(one))
      await one.evict(c!, 'evicted', d!)
      for (const gone of [b!, c!]) await one.forget(gone)
      await agree()
    })

    it('answers the count of the last renewal or report', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      await one.renew(node, 7)
      assert.equal((await one.nodes()).live[0]?.connectionCount, 7)
      await one.reportCount(node, 9)
      assert.equal((await one.nodes()).live[0]?.connectionCount, 9)
    })

    it('moves lastSeen with each renewal', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      const first = (await one.nodes()).live[0]!.lastSeen
      await until('a renewal is seen', async () => {
        await one.renew(node, 0)
        return (await one.nodes()).live[0]!.lastSeen > first
      })
    })

    it('tells when the next lease of another node runs out, and nothing to a lone node', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      assert.equal(asRenewed(await one.renew(node, 0)).nextExpiry, undefined)
      await joined(one)
      const { nextExpiry } = asRenewed(await one.renew(node, 0))
      assert.ok(nextExpiry !== undefined && nextExpiry > 0 && nextExpiry <= calm.deadAfter, String(nextExpiry))
    })

    it('keeps a node that is late as long as nobody evicts it', async (t) => {
      const { state, settings } = stage(t, candidate())
      const one = state()
      const node = await joined(one)
      await elapse(settings.deadAfter * 1.5)
      assert.equal((await one.renew(node, 0)).type, 'renewed')
      assert.equal((await one.apply(node, [userHere('u1')])).type, 'applied')
    })
  })
}

function whoIsIn({ version, live, gone }: NodeList): unknown {
  const byNode = (one: { node: NodeId }, other: { node: NodeId }): number => (one.node < other.node ? -1 : 1)
  return {
    version,
    live: live.map(({ node, name, startedAt }) => ({ node, name, startedAt })).toSorted(byNode),
    gone: gone.toSorted(byNode),
  }
}
