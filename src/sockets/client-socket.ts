import { WebSocket } from 'ws'
import type { Conversation } from './conversation.ts'

/** A WebSocket that knows its conversation: listeners are shared by all of them, instead of four closures for each. */
export class ClientSocket extends WebSocket {
  conversation: Conversation | undefined
}
