import { redisSystem } from './redis-system.ts'
import type { System } from './system.ts'

/** @see https://socket.io/docs/v4/adapter/ */
export function socketio(adapter: 'redis' | 'streams'): System {
  return redisSystem({
    id: `socketio-${adapter}`,
    role: 'peer',
    needsPackages: true,
    label: `Socket.IO, ${adapter === 'redis' ? 'Redis' : 'Redis streams'}`,
    // In Engine.IO 4 the digit 4 means a message; the 0 in it is Socket.IO's packet that connects to the namespace.
    greeting: { path: '/socket.io/?EIO=4&transport=websocket&uid=u%d', hello: '40', welcome: '40' },
    script: 'socketio',
    settings: { adapter },
  })
}
