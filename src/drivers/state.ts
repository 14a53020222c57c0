import type { Nodes } from './nodes.ts'
import type { Parking } from './parking.ts'
import type { Routes } from './routes.ts'

/** Who is where, and what waits for those who are nowhere. */
export interface State extends Nodes, Routes, Parking {
  /**
   * Tells the listener whenever the store may have forgotten the last of what it answered: a replica took over, or it
   * started again from its disk. The bindings are then to be applied again, and `locate` MUST NOT call settled what it
   * finds nowhere before the nodes had time for it. A store that cannot forget has no such hook.
   */
  onLoss?(listener: () => void): void

  /** Rejects within `timeout` ms unless the store answers. */
  ping(timeout: number): Promise<void>

  /** MUST be safe twice. What is under way then rejects with `FLT_CLOSED`. */
  close(): Promise<void>
}
