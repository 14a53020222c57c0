// Scripts, each of which Redis runs in one step. A script touches one hash slot, declares its keys, takes the time from
// Redis, and may run twice with the same outcome.
import { broadcastScripts } from './broadcasts.ts'
import { cursorScripts } from './cursors.ts'
import { inboxScripts } from './inboxes.ts'
import { ingressScripts } from './ingress.ts'
import { logScripts } from './log.ts'
import { nodeScripts } from './nodes.ts'
import { parkingScripts } from './parking.ts'
import { placeScripts } from './places.ts'
import { pushIdScripts } from './push-ids.ts'
import { routeScripts } from './routes.ts'
import { seatScripts } from './seats.ts'

export const scripts = {
  ...nodeScripts,
  ...routeScripts,
  ...parkingScripts,
  ...inboxScripts,
  ...seatScripts,
  ...broadcastScripts,
  ...placeScripts,
  ...pushIdScripts,
  ...ingressScripts,
  ...logScripts,
  ...cursorScripts,
} as const

/** ioredis flattens lists. With lists, a reader can tell keys from arguments. */
type Argument = string | number | Buffer | readonly (string | number | Buffer)[]
export type ScriptCommands = {
  [Name in keyof typeof scripts]: (...keysAndArguments: Argument[]) => Promise<unknown>
}
