/** Everything that was observed in a run, on one clock: ms since its start. The checker reads nothing else. */
export class History {
  readonly pushes: Push[] = []
  readonly connections: Connection[] = []
  readonly faults: FaultWindow[] = []
  readonly nodes: NodeEvent[] = []
  readonly refusals: Refusal[] = []
  readonly sightings: Sighting[] = []
  /** How far behind nodes were. */
  readonly inboxes: InboxLook[] = []
  /** What was still in inboxes when there was no more waiting for it. */
  readonly standing: StandingInbox[] = []
  /** Messages that no push of this run explains. */
  readonly strangers: Stranger[] = []
  /** Until when pushes were made, and until when receipts were taken. */
  trafficUntil = Number.POSITIVE_INFINITY
  until = Number.POSITIVE_INFINITY
}

export type PushKind = 'uid' | 'group' | 'all'

/**
 * - `failed`: it was refused with an error
 * - `unknown`: nobody heard how it ended, as its node died or did not answer; it may have been done, even later
 */
type Outcome = 'pending' | 'resolved' | 'failed' | 'unknown'

export interface Push {
  /** Its place among all pushes of the run, in the order of their calls. */
  readonly number: number
  /** Whose order counts: a process that pushes, as long as it is known to take its calls in turn. */
  readonly publisher: string
  readonly kind: PushKind
  readonly uids: readonly string[]
  readonly group: string | undefined
  readonly except: readonly string[]
  /** The idempotency key, where it was given one. */
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
 * - `left`: its client closed it in good order
 * - `vanished`: its client was gone without a word
 * - `closed`: its node closed it
 * - `broken`: the line broke, as when its node dies
 */
export type Ending = 'open' | 'left' | 'vanished' | 'closed' | 'broken'

export interface Connection {
  readonly number: number
  readonly uid: string
  /** Which of the nodes' places, not which process: that one is restarted. */
  readonly slot: number
  /** The process in that place: 1 for the first. */
  readonly life: number
  /** It stops reading now and then, so that more can be lost on its way than a plain WebSocket can know. */
  readonly isSlow: boolean
  readonly openedAt: number
  /** When its client began to close it, where it did. */
  leavingAt: number
  closedAt: number
  ending: Ending
  code: number | undefined
  node: string
  readonly memberships: Membership[]
  /** The numbers of the pushes that came, and when: in the order in which they came. */
  readonly received: number[]
  readonly receivedAt: number[]
}

/** A join or leave is under way from its call to its answer, and may count or not meanwhile. */
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
  /** The nodes that it touches; empty where it touches the store for all. */
  readonly slots: readonly number[]
  destroyed: Destruction | undefined
  /** It breaks nothing, so that it excuses nothing. */
  readonly isHarmless?: boolean | undefined
  /** Nodes had too little of the machine, for so long; and how long they then took to catch up, if they did in as long. */
  starved?: { readonly for: number; readonly caughtUpAfter: number | undefined }
}

/** The store lost what it held: all of it, or what its replicas did not have yet. */
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
  /** Its id in the cluster, where known. */
  readonly node: string
}

export interface Refusal {
  readonly at: number
  readonly slot: number
  readonly reason: string
}

/** A node of this id was still listed, by a node that lives, so long after it was killed. */
export interface Sighting {
  readonly node: string
  readonly by: string
  readonly diedAt: number
  readonly lastSeenAt: number
  /** Where it was still seen: among the nodes, or as a place of a user's connection. */
  readonly where: 'nodes' | 'users'
}

/** A node's inbox, as the store saw it. */
export interface InboxLook {
  readonly at: number
  readonly slot: number
  readonly node: string
  readonly entries: number
  /** ms that its oldest entry had waited. */
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
