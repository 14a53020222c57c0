/** Everything that was observed in a run, on one clock: ms since its start. The checker reads nothing else. */
export class History {
  readonly pushes: Push[] = []
  readonly connections: Connection[] = []
  readonly faults: FaultWindow[] = []
  readonly nodes: NodeEvent[] = []
  readonly refusals: Refusal[] = []
  readonly sightings: Sighting[] = []
  /** How far behind the nodes were. */
  readonly inboxes: InboxLook[] = []
  /** The inboxes that were not empty when the run stopped waiting. */
  readonly standing: StandingInbox[] = []
  /** Messages that no push of this run explains. */
  readonly strangers: Stranger[] = []
  /** When pushing ended, and when receiving ended. */
  trafficUntil = Number.POSITIVE_INFINITY
  until = Number.POSITIVE_INFINITY
}

export type PushKind = 'uid' | 'group' | 'all'

/**
 * - `failed`: it was refused with an error
 * - `unknown`: nobody learned how it ended, because its node died or did not answer; it may still have been done
 */
type Outcome = 'pending' | 'resolved' | 'failed' | 'unknown'

export interface Push {
  /** Its position among all pushes of the run, in the order of their calls. */
  readonly number: number
  /**
   * The publisher, whose calls are handled in order. It gets a new name as soon as that is no longer certain.
   */
  readonly publisher: string
  readonly kind: PushKind
  readonly uids: readonly string[]
  readonly group: string | undefined
  readonly except: readonly string[]
  /** The idempotency key, if the caller gave one. */
  readonly id: string | undefined
  readonly size: number
  readonly firstCalledAt: number
  lastCalledAt: number
  callCount: number
  settledAt: number
  outcome: Outcome
  offline: readonly string[]
  error: string | undefined
}

/**
 * - `left`: its client closed it with a closing handshake
 * - `vanished`: its client ended it abruptly
 * - `closed`: its node closed it
 * - `broken`: it broke, for example because its node died
 */
export type Ending = 'open' | 'left' | 'vanished' | 'closed' | 'broken'

export interface Connection {
  readonly number: number
  readonly uid: string
  /** The node's slot, not its process: the process is restarted. */
  readonly slot: number
  /** Counts the processes in that slot, from 1. */
  readonly life: number
  /** The client stops reading now and then, so its kernel can lose more than that of an ordinary client. */
  readonly isSlow: boolean
  readonly openedAt: number
  /** When the client began to close the connection, if it did. */
  leavingAt: number
  closedAt: number
  ending: Ending
  code: number | undefined
  node: string
  readonly memberships: Membership[]
  /** The numbers of the pushes that were received, in order, and when. */
  readonly received: number[]
  readonly receivedAt: number[]
}

/** A join or leave is in progress from its call to its answer. Meanwhile it may count or not. */
export interface Membership {
  readonly group: string
  readonly joiningAt: number
  joinedAt: number
  leavingAt: number
  leftAt: number
}

export interface FaultWindow {
  readonly name: string
  readonly detail: string
  readonly from: number
  to: number
  /** The nodes that the fault affects; empty if it affects the store for all of them. */
  readonly slots: readonly number[]
  destroyed: Destruction | undefined
  /** The fault breaks nothing, so it excuses nothing. */
  readonly isHarmless?: boolean | undefined
  /**
   * Set if nodes were starved: for how long, and how long they then took to catch up. The latter is undefined if it was
   * longer than the former.
   */
  starved?: { readonly for: number; readonly caughtUpAfter: number | undefined }
}

/** The store lost data: all of it, or what its replicas had not received yet. */
export interface Destruction {
  readonly what: 'all' | 'tail'
  readonly from: number
  to: number
}

export interface NodeEvent {
  readonly at: number
  readonly slot: number
  readonly life: number
  readonly type: 'ready' | 'killed' | 'stopped' | 'died' | 'paused' | 'resumed' | 'lost its place' | 'joined again'
  /** The node's id in the cluster, if known. */
  readonly node: string
}

export interface Refusal {
  readonly at: number
  readonly slot: number
  readonly reason: string
}

/** A living node still listed a killed node this long after its death. */
export interface Sighting {
  readonly node: string
  readonly by: string
  readonly diedAt: number
  readonly lastSeenAt: number
  /** Where the dead node was still seen: in the list of nodes, or as the place of a user's connection. */
  readonly where: 'nodes' | 'users'
}

/** A node's inbox, as the store saw it. */
export interface InboxLook {
  readonly at: number
  readonly slot: number
  readonly node: string
  readonly entries: number
  /** How many ms its oldest entry has waited. */
  readonly behind: number
}

export interface StandingInbox {
  readonly key: string
  readonly entries: number
  readonly behind: number
  /** The numbers of the pushes in it. */
  readonly pushes: ReadonlySet<number>
}

export interface Stranger {
  readonly at: number
  readonly connection: number
  readonly text: string
}
