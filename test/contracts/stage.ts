import type { TestContext } from 'node:test'
import type { Driver, DriverSettings } from '../../src/drivers/driver.ts'
import type { PushIds } from '../../src/drivers/push-ids.ts'
import type { Queue } from '../../src/drivers/queue.ts'
import type { ConnectionRecord } from '../../src/drivers/routes.ts'
import type { State } from '../../src/drivers/state.ts'
import {
  connectionId,
  type Group,
  newProcessId,
  type NodeId,
  nodeId,
  type PushId,
  type Uid,
} from '../../src/envelope/ids.ts'
import { silent } from '../../src/logger.ts'

/** What takes the contract's tests: a driver on a store that answers. Each test writes under a prefix of its own. */
export interface Candidate {
  readonly driver: Driver
  /** How many entries of a node are kept aside, if the store can be asked: the contract has no call for it. */
  countAside?(prefix: string, node: NodeId): Promise<number>
}

/** Tests run beside each other, for most of their time is waiting for leases. */
export const CONCURRENCY = 4

export type Overrides = Partial<Omit<DriverSettings, 'prefix' | 'logger'>>

export interface Stage {
  readonly settings: DriverSettings
  /** A handle as a process of its own would have; closed after the test. */
  state(): State
  queue(): Queue & PushIds
}

/** Short leases, so that tests of dead nodes are quick. */
export function stage(t: TestContext, { driver }: Candidate, overrides: Overrides = {}): Stage {
  const prefix = `test-${newProcessId()}`
  const times = { heartbeat: 50, deadAfter: 200, storeWait: 60_000 }
  const settings = { prefix, ...times, maxInboxBytes: 8 * 1024 * 1024, logger: silent, ...overrides }
  const opened: { close(): Promise<void> }[] = []
  t.after(() => Promise.all(opened.map((handle) => handle.close())))
  const keep = <T extends { close(): Promise<void> }>(handle: T): T => {
    opened.push(handle)
    return handle
  }
  return { settings, state: () => keep(driver.state(settings)), queue: () => keep(driver.queue(settings)) }
}

export function newNode(name = 'n'): NodeId {
  return nodeId(name, newProcessId(), 1)
}

export async function joined(state: State, name = 'n'): Promise<NodeId> {
  const node = newNode(name)
  await state.join({ node, name, startedAt: Date.now() })
  return node
}

let sequence = 0
/** Ids spread over all the partitions, as a node's do. */
export function newConnection(uid?: string): ConnectionRecord {
  const connection = connectionId(newProcessId(), (sequence * 37) % 256, sequence++)
  return {
    connection,
    path: '/ws',
    ip: '127.0.0.1',
    since: 1_700_000_000_000 + sequence,
    ...(uid && { uid: uid as Uid }),
  }
}

export const asUid = (uid: string): Uid => uid as Uid
export const asGroup = (group: string): Group => group as Group
export const asPushId = (id: string): PushId => id as PushId
export const idsOf = (infos: readonly { connection: string }[]): string[] =>
  infos.map(({ connection }) => connection).toSorted()
