// What Redis runs in one step. Each script touches one hash slot, declares its keys, takes the time from Redis and may
// run twice with the same outcome.
import { bindingScripts } from './bindings.ts'
import { broadcastScripts } from './broadcasts.ts'
import { claimScripts } from './claims.ts'
import { inboxScripts } from './inboxes.ts'
import { membershipScripts } from './membership.ts'
import { placeScripts } from './places.ts'
import { seatScripts } from './seats.ts'

export const scripts = {
  ...membershipScripts,
  ...bindingScripts,
  ...inboxScripts,
  ...broadcastScripts,
  ...claimScripts,
  ...placeScripts,
  ...seatScripts,
} as const

/** ioredis flattens lists: keys and arguments can be told apart by eye. */
type Argument = string | number | Buffer | readonly (string | number | Buffer)[]
export type ScriptCommands = {
  [Name in keyof typeof scripts]: (...keysAndArguments: Argument[]) => Promise<unknown>
}
