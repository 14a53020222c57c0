import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowOrigins, defineModule, type Logger } from '../../src/index.ts'
import { startTestServer } from '../../src/testing.ts'

test('every refused handshake is logged with its status and code, and without what the client sent', async () => {
  const lines: unknown[] = []
  const none = (): void => {}
  const logger: Logger = { debug: (...line) => void lines.push(line), info: none, warn: none, error: none }
  const guarded = defineModule('/guarded', { middleware: { handshake: [allowOrigins(['https://example.com'])] } })
  const own = defineModule('/own', { handshake: () => new Response('not today', { status: 418 }) })
  await using server = await startTestServer({ modules: [guarded, own], logger })
  lines.length = 0
  await assert.rejects(server.connect('/secret'), /404/)
  await assert.rejects(server.connect('/guarded', { headers: { origin: 'https://secret.example' } }), /403/)
  await assert.rejects(server.connect('/own'), /418/)
  const message = 'a handshake was refused'
  assert.deepEqual(lines, [
    [{ status: 404, code: 'FLT_NOT_FOUND' }, message],
    [{ status: 403, code: 'FLT_FORBIDDEN' }, message],
    [{ status: 418, code: undefined }, message],
  ])
})
