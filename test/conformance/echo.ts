import { after } from 'node:test'
import { defineModule, type ServerOptions } from '../../src/index.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'

/** The module that `flotilla start --echo` serves. */
const echo = defineModule('/echo', { message: (ctx) => ctx.raw })

/** Starts a server with /echo for all cases of a file. */
export async function startEcho(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const server = await startTestServer({ modules: [echo], pingInterval: 0, ...options })
  after(() => server.close())
  return server
}
