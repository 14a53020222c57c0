import { redisSystem } from './redis-system.ts'
import type { System } from './system.ts'

/** @see https://socket.io/docs/v4/adapter/ */
export function socketio(adapter: 'redis' | 'streams'): System {
  return redisSystem({
    id: `socketio-${adapter}`,
    role: 'peer',
    needsPackages: true,
    label: `Socket.IO, ${adapter === 'redis' ? 'Redis' : 'Redis streams'}`,
    // Engine.IO 4: 4 is a message, and 0 in it the namespace's connect packet.
    greeting: { path: '/socket.io/?EIO=4&transport=websocket&uid=u%d', hello: '40', welcome: '40' },
    script: 'socketio',
    settings: { adapter },
  })
}
