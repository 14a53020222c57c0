import type { TestContext } from 'node:test'
import type { DriverSettings } from '../../src/drivers/driver.ts'
import type { Nodes } from '../../src/drivers/nodes.ts'
import type { ConnectionRecord } from '../../src/drivers/routes.ts'
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

interface Closable {
  close(): Promise<void>
}

/**
 * The object of a contract's tests: a driver, or the part of one that implements the contract, on a store that answers.
 * `S` and `Q` are the types of its two doors. Each test writes under a prefix of its own.
 */
export interface Candidate<S = unknown, Q = unknown> {
  readonly driver: {
    readonly state?: (settings: DriverSettings) => S & Closable
    readonly queue?: (settings: DriverSettings) => Q & Closable
  }
  /** How many poisoned entries of a node are kept, if the store can be asked: the contract has no call for it. */
  countAside?(prefix: string, node: NodeId): Promise<number>
}

/** How many tests run at the same time: they mostly wait for leases. */
export const CONCURRENCY = 4

export type Overrides = Partial<Omit<DriverSettings, 'prefix' | 'logger'>>

/** Settings for tests in which no lease may run out. */
export const calm = { heartbeat: 3_000, deadAfter: 600_000 }
/** A reader that is not woken reads again after a heartbeat, which is so long that the test fails before that. */
export const dormant = { heartbeat: 3_600_000, deadAfter: 14_400_000 }

export interface Stage<S, Q> {
  readonly settings: DriverSettings
  /** Opens a handle, as a process of its own would. It is closed after the test. */
  state(): S & Closable
  queue(): Q & Closable
}

/** Short leases, so that tests of dead nodes are quick. */
export function stage<S, Q>(t: TestContext, { driver }: Candidate<S, Q>, overrides: Overrides = {}): Stage<S, Q> {
  const prefix = `test-${newProcessId()}`
  const times = { heartbeat: 50, deadAfter: 200, storeWait: 60_000 }
  const settings = { prefix, ...times, maxInboxBytes: 8 * 1024 * 1024, logger: silent, ...overrides }
  const opened: Closable[] = []
  t.after(() => Promise.all(opened.map((handle) => handle.close())))
  const keep = <T extends Closable>(handle: T): T => {
    opened.push(handle)
    return handle
  }
  return { settings, state: () => keep(driver.state!(settings)), queue: () => keep(driver.queue!(settings)) }
}

export function newNode(name = 'n'): NodeId {
  return nodeId(name, newProcessId(), 1)
}

export async function joined(state: Pick<Nodes, 'join'>, name = 'n'): Promise<NodeId> {
  const node = newNode(name)
  await state.join({ node, name, startedAt: Date.now() })
  return node
}

let sequence = 0
/** Makes ids that are spread over all partitions, as those of a node are. */
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
