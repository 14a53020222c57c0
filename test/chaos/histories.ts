import {
  type Connection,
  type FaultWindow,
  History,
  type Membership,
  type NodeEvent,
  type Push,
} from '../../lab/chaos/history.ts'

const NEVER = Number.POSITIVE_INFINITY

/** A small history, made by hand. Times are in ms. Everything that is not given is as in a run without faults. */
export class HandMade {
  readonly history = new History()

  constructor() {
    this.history.trafficUntil = 90_000
    this.history.until = 95_000
  }

  push(given: Partial<Push>): Push {
    const calledAt = given.firstCalledAt ?? 10_000
    const push: Push = {
      number: this.history.pushes.length,
      publisher: 'p',
      kind: 'uid',
      uids: ['u1'],
      group: undefined,
      except: [],
      id: undefined,
      size: 80,
      firstCalledAt: calledAt,
      lastCalledAt: calledAt,
      callCount: 1,
      settledAt: calledAt + 5,
      outcome: 'resolved',
      offline: [],
      error: undefined,
      ...given,
    }
    this.history.pushes.push(push)
    return push
  }

  connection(given: Partial<Connection> = {}): Connection {
    const connection: Connection = {
      number: this.history.connections.length,
      uid: 'u1',
      slot: 0,
      life: 1,
      isSlow: false,
      openedAt: 1_000,
      leavingAt: NEVER,
      closedAt: NEVER,
      ending: 'open',
      code: undefined,
      node: 'n0-a',
      memberships: [],
      received: [],
      receivedAt: [],
      ...given,
    }
    this.history.connections.push(connection)
    return connection
  }

  fault(given: Partial<FaultWindow>): FaultWindow {
    const fault: FaultWindow = {
      name: 'kill',
      detail: '',
      from: 9_000,
      to: 11_000,
      slots: [0],
      destroyed: undefined,
      ...given,
    }
    this.history.faults.push(fault)
    return fault
  }

  /** Adds an event of the first node. */
  node(given: Pick<NodeEvent, 'type' | 'at'>): void {
    this.history.nodes.push({ slot: 0, life: 1, node: 'n0-a', ...given })
  }
}

export function member(group: string, given: Partial<Membership> = {}): Membership {
  return { group, joiningAt: 1_000, joinedAt: 1_010, leavingAt: NEVER, leftAt: NEVER, ...given }
}

/** The connection receives the push, by default a few ms after its call. */
export function receive(connection: Connection, push: Push, at = push.firstCalledAt + 8): void {
  connection.received.push(push.number)
  connection.receivedAt.push(at)
}
