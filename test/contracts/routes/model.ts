import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { Nodes } from '../../../src/drivers/nodes.ts'
import type { ConnectionRecord, Routes } from '../../../src/drivers/routes.ts'
import { newProcessId, type NodeId } from '../../../src/envelope/ids.ts'
import { asGroup, asUid, calm, type Candidate, idsOf, joined, newConnection, stage } from '../stage.ts'
import { memberGone, memberHere, userGone, userHere } from './words.ts'

const NODES = 3
const DEVICES = 3
const UIDS = ['u1', 'u 2', '#']
const GROUPS = ['g1', '{g}2']

type Step =
  | { type: 'user'; node: number; uid: string; devices: number[] }
  | { type: 'connection'; node: number; device: number; present: boolean }
  | { type: 'member'; node: number; group: string; device: number; present: boolean }
  | { type: 'unroute'; node: number; uid: string }
  | { type: 'replace'; node: number }

const anyNode = fc.nat({ max: NODES - 1 })
const anyDevice = fc.nat({ max: DEVICES - 1 })
const anyUid = fc.constantFrom(...UIDS)
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('user' as const),
      node: anyNode,
      uid: anyUid,
      devices: fc.subarray([0, 1, 2]),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('connection' as const),
      node: anyNode,
      device: anyDevice,
      present: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('member' as const),
      node: anyNode,
      group: fc.constantFrom(...GROUPS),
      device: anyDevice,
      present: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('unroute' as const), node: anyNode, uid: anyUid }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('replace' as const), node: anyNode }) },
)

/** The simplest model: it keeps what each node last said, and forgets it with the node. */
class Model {
  nodes: NodeId[] = []
  readonly devices: ConnectionRecord[][] = []
  readonly users = new Map<string, Set<ConnectionRecord>[]>()
  readonly groups = new Map<string, Set<ConnectionRecord>[]>()
  readonly present: Set<ConnectionRecord>[] = []
  readonly #salt = newProcessId()

  /** These names are used in this run only. */
  name(name: string): string {
    return `${name} ${this.#salt}`
  }

  async start(state: Nodes & Routes): Promise<void> {
    for (const uid of UIDS) this.users.set(uid, emptySets())
    for (const group of GROUPS) this.groups.set(group, emptySets())
    this.present.push(...emptySets())
    for (let index = 0; index < NODES; index++) {
      this.nodes.push(await joined(state))
      this.devices.push(Array.from({ length: DEVICES }, () => newConnection()))
    }
  }

  async step(state: Nodes & Routes, step: Step): Promise<void> {
    const node = this.nodes[step.node]!
    switch (step.type) {
      case 'user': {
        const records = step.devices.map((device) => this.devices[step.node]![device]!)
        this.users.get(step.uid)![step.node] = new Set(records)
        const uid = this.name(step.uid)
        await state.apply(node, [records.length === 0 ? userGone(uid) : userHere(uid, records)])
        return
      }
      case 'connection': {
        const record = this.devices[step.node]![step.device]!
        put(this.present[step.node]!, record, step.present)
        await state.apply(node, [{ type: 'connection', connection: record.connection, present: step.present }])
        return
      }
      case 'member': {
        const record = this.devices[step.node]![step.device]!
        put(this.groups.get(step.group)![step.node]!, record, step.present)
        const group = this.name(step.group)
        await state.apply(node, [step.present ? memberHere(group, record) : memberGone(group, record)])
        return
      }
      case 'unroute':
        return state.unroute(node, [asUid(this.name(step.uid))])
      case 'replace':
        for (const sets of [...this.users.values(), ...this.groups.values(), this.present]) sets[step.node] = new Set()
        await state.evict(node, 'evicted', node)
        await state.fence(node)
        await state.clean(node)
        this.nodes[step.node] = await joined(state)
        return
      default:
        throw step satisfies never
    }
  }

  async check(state: Nodes & Routes): Promise<void> {
    const uids = UIDS.map((uid) => asUid(this.name(uid)))
    const groups = GROUPS.map((group) => asGroup(this.name(group)))
    const connections = this.nodes.flatMap((node, index) =>
      this.devices[index]!.map(({ connection }) => ({ connection, node })),
    )
    const located = await state.locate({ uids, groups, connections })
    const present = this.present.flatMap((set) => [...set])
    const found = connections.filter((_, index) => located.connections[index]!.nodes.length === 1)
    assert.deepEqual(idsOf(found), idsOf(present))
    for (const [index, uid] of UIDS.entries()) {
      this.#checkOne(this.users.get(uid)!, located.uids[index]!.nodes, await state.connections(uids[index]!))
    }
    for (const [index, group] of GROUPS.entries()) {
      const { members, memberCount } = await state.members(groups[index]!, 100)
      this.#checkOne(this.groups.get(group)!, located.groups[index]!.nodes, members)
      assert.equal(memberCount, members.length)
    }
  }

  #checkOne(
    sets: Set<ConnectionRecord>[],
    nodes: readonly NodeId[],
    infos: readonly { connection: string; node: string }[],
  ): void {
    assert.deepEqual(nodes.toSorted(), this.nodes.filter((_, index) => sets[index]!.size > 0).toSorted())
    const expected = sets.flatMap((set, index) =>
      Array.from(set, ({ connection }) => `${connection} on ${this.nodes[index]}`),
    )
    assert.deepEqual(infos.map(({ connection, node }) => `${connection} on ${node}`).toSorted(), expected.toSorted())
  }
}

export function model(candidate: () => Candidate<Nodes & Routes>): void {
  describe('a plain map', () => {
    it('would say the same of who is where, after any changes by several nodes', async (t) => {
      const state = stage(t, candidate(), calm).state()
      await fc.assert(
        fc.asyncProperty(fc.array(anyStep, { maxLength: 30 }), async (steps) => {
          const run = new Model()
          await run.start(state)
          for (const step of steps) {
            await run.step(state, step)
            await run.check(state)
          }
        }),
        { numRuns: 30 },
      )
    })
  })
}

function emptySets(): Set<ConnectionRecord>[] {
  return Array.from({ length: NODES }, () => new Set())
}

function put<T>(set: Set<T>, item: T, present: boolean): void {
  if (present) set.add(item)
  else set.delete(item)
}
