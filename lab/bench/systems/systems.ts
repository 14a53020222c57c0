import { flotilla } from './flotilla.ts'
import { hop } from './hop.ts'
import { nats } from './nats.ts'
import { nchan } from './nchan.ts'
import { socketio } from './socketio.ts'
import type { System } from './system.ts'
import { ws } from './ws.ts'

/** In the order in which they take turns. */
export const systems: readonly System[] = [
  flotilla(),
  hop,
  ws,
  nats,
  nchan('memory'),
  nchan('passing'),
  nchan('stored'),
  socketio('redis'),
  socketio('streams'),
]
