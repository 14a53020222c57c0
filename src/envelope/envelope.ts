import type { ConnectionId, Group, NodeId, PushId, Uid } from './ids.ts'
import type { Payload } from './payload.ts'
import type { Except } from './target.ts'

/** A user and the stamp of the lookup that found it. Connections with a younger stamp were bound after the lookup. */
export interface UserRef {
  readonly uid: Uid
  readonly stamp: number
}

/** A group and the stamp of the lookup that found it. */
export interface GroupRef {
  readonly group: Group
  readonly stamp: number
}

/** The connections on the receiving node that an envelope is for. */
export type Recipients =
  | { readonly type: 'users'; readonly users: readonly UserRef[] }
  | { readonly type: 'groups'; readonly groups: readonly GroupRef[] }
  | { readonly type: 'connections'; readonly connections: readonly ConnectionId[] }
  | { readonly type: 'all' }

export interface PushEnvelope {
  readonly type: 'push'
  readonly id: PushId
  readonly to: Recipients
  readonly payload: Payload
  readonly except?: Except | undefined
  /**
   * The subject of the message. If only the newest is wanted, a younger message with the same key replaces this one.
   */
  readonly key?: string | undefined
  /** How often the envelope was forwarded or taken over. */
  readonly hops: number
  /** This is not the first copy: it may arrive late or twice, and is only for connections younger than its stamp. */
  readonly resent: boolean
  /** The caller chose the push's id. After a failure it may push again with that id, so two first copies may arrive. */
  readonly named?: true
  /**
   * The offset of the broadcast, if this is one that is forwarded after its users. It is only for connections that came
   * to the receiving node after the node had handed out that broadcast.
   */
  readonly broadcast?: number
}

export type ControlAction =
  | { readonly type: 'close'; readonly code: number; readonly reason: string }
  | { readonly type: 'join'; readonly groups: readonly Group[] }
  | { readonly type: 'leave'; readonly groups: readonly Group[] }

/** A command to the node that hosts the connections, because only that node writes what State says of them. */
export interface ControlEnvelope {
  readonly type: 'control'
  readonly to: Recipients
  readonly action: ControlAction
  readonly replyTo: NodeId
  readonly correlation: number
}

/** The answer to a control envelope: how many connections it affected. */
export interface ReplyEnvelope {
  readonly type: 'reply'
  readonly from: NodeId
  readonly correlation: number
  readonly count: number
}

export type Envelope = PushEnvelope | ControlEnvelope | ReplyEnvelope

/** The envelopes of one append. Readers drop a batch if they have seen its publisher's sequence number before. */
export interface Batch {
  readonly publisher: string
  readonly seq: number
  readonly envelopes: readonly Envelope[]
}

/** The format of batches in the queue. All nodes of a cluster must use the same codec. */
export interface Codec {
  readonly name: string
  encode(batch: Batch): Uint8Array
  /** MUST throw if this codec did not write the bytes. MUST skip fields that it does not know. */
  decode(bytes: Uint8Array): Batch
}
