import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below those that the kernel gives to outgoing connections: one of these could take the port before it is used. */
const [FIRST, LAST] = [20_000, 30_000]

/** A port that nobody listens on, for programs that cannot pick one themselves. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
