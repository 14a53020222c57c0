import type { ConnectionId, Group, NodeId, PushId, Uid } from './ids.ts'
import type { Payload } from './payload.ts'
import type { Except } from './target.ts'

/** A user as a lookup found it. The stamp tells connections that were bound before the lookup from younger ones. */
export interface UserRef {
  readonly uid: Uid
  readonly stamp: number
}

export interface GroupRef {
  readonly group: Group
  readonly stamp: number
}

/** Whom on the receiving node an envelope is for. */
export type Address =
  | { readonly type: 'users'; readonly users: readonly UserRef[] }
  | { readonly type: 'groups'; readonly groups: readonly GroupRef[] }
  | { readonly type: 'connections'; readonly connections: readonly ConnectionId[] }
  | { readonly type: 'all' }

export interface PushEnvelope {
  readonly type: 'push'
  readonly id: PushId
  readonly to: Address
  readonly payload: Payload
  readonly except?: Except | undefined
  /** What it is about: where only the newest is wanted, a younger message of the same key takes its place. */
  readonly key?: string | undefined
  /** How often it was forwarded or taken over. */
  readonly hops: number
  /** Not a first copy: it may come late or twice, and is only for connections younger than its stamp. */
  readonly resent: boolean
  /** Its id was given by who pushed it: sent again after a failure, it may come twice as a first copy. */
  readonly named?: true
  /**
   * Of a broadcast that is sent after its users: its offset among all of them. It is only for connections that came to a
   * node after that had handed it out.
   */
  readonly broadcast?: number
}

export type ControlAction =
  | { readonly type: 'close'; readonly code: number; readonly reason: string }
  | { readonly type: 'join'; readonly groups: readonly Group[] }
  | { readonly type: 'leave'; readonly groups: readonly Group[] }

/** An order to the node that hosts the connections: only that node writes what State says of them. */
export interface ControlEnvelope {
  readonly type: 'control'
  readonly to: Address
  readonly action: ControlAction
  readonly replyTo: NodeId
  readonly correlation: number
}

/** What became of a control envelope: how many connections it touched. */
export interface ReplyEnvelope {
  readonly type: 'reply'
  readonly from: NodeId
  readonly correlation: number
  readonly count: number
}

export type Envelope = PushEnvelope | ControlEnvelope | ReplyEnvelope

/** What one append carries. Readers drop a publisher's sequence numbers that they have seen. */
export interface Batch {
  readonly publisher: string
  readonly seq: number
  readonly envelopes: readonly Envelope[]
}

/** How a batch is written into the queue. Every node of a cluster must use the same. */
export interface Codec {
  readonly name: string
  encode(batch: Batch): Uint8Array
  /** MUST throw on what it did not write; MUST skip fields that it does not know. */
  decode(bytes: Uint8Array): Batch
}
