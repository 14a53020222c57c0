// Pushes from a queue worker or a script that runs no server: npx tsx examples/worker.ts redis://127.0.0.1:6379 u1 hello
import { Emitter } from 'flotilla/emitter'
import { redis } from 'flotilla/redis'

const [url = 'redis://127.0.0.1:6379', uid = 'u1', message = 'hello'] = process.argv.slice(2)

await using emitter = new Emitter({ driver: redis({ url }) })
const { nodeCount, offline } = await emitter.push({ uid }, message, { id: `worker-${Date.now()}` })
console.log(offline.length === 0 ? `stored for ${nodeCount} node(s)` : `${uid} is offline`)
