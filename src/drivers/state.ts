import type { Cursors } from './cursors.ts'
import type { Log } from './log.ts'
import type { Nodes } from './nodes.ts'
import type { Parking } from './parking.ts'
import type { Routes } from './routes.ts'

/** Who is where, the messages that are parked for users who are on no node, and the logs of users and groups. */
export interface State extends Nodes, Routes, Parking, Log, Cursors {
  /**
   * Calls the listener whenever the store may have forgotten the last writes that it confirmed, because a replica took
   * over or the store started again from its disk. The nodes then apply their bindings again. Until they had time for
   * that, `locate` MUST NOT call settled what it finds on no node. A store that cannot forget has no such hook.
   */
  onLoss?(listener: () => void): void

  /** Rejects if the store does not answer within `timeout` ms. */
  ping(timeout: number): Promise<void>

  /** Calling it twice MUST be safe. Calls that are under way then reject with `FLT_CLOSED`. */
  close(): Promise<void>
}
