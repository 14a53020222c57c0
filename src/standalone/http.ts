import type { RequestListener } from 'node:http'
import { getRequestListener, RequestError } from '@hono/node-server'
import type { Context } from 'hono'
import { FlotillaError, type Logger, type Server } from '../index.ts'
import { addApi, createApp } from './api.ts'
import { badRequest, publicError } from './api-error.ts'
import { onlyThisMachine, requireKeyFromAfar } from './api-guard.ts'
import type { Config } from './config-check.ts'
import { addDevPage } from './dev-page.ts'
import { createMetrics } from './metrics.ts'

const HEALTH_PATIENCE = 1000

/** Everything that is plain HTTP: the API, health, metrics, and with --dev the page. */
export function createHttp(server: Server, config: Config, logger: Logger): RequestListener {
  const { dev, apiKey, maxPayload } = config
  const app = createApp(logger)
  if (dev) app.use(onlyThisMachine)
  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', async (c) => {
    await server.health(HEALTH_PATIENCE)
    return c.json({ status: 'ok' })
  })
  const metrics = createMetrics(server)
  app.get('/metrics', requireKeyFromAfar({ apiKey, dev }), async (c) => {
    return c.text(await metrics.metrics(), 200, { 'Content-Type': metrics.contentType })
  })
  addApi(app, { server, logger, maxPayload, apiKey, dev })
  for (const path of config.echo ? ['/ws', '/echo'] : ['/ws']) app.get(path, askForUpgrade)
  if (dev) addDevPage(app)
  // The globals belong to the user's modules.
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: (error) => answerUnreadable(error, logger),
  })
  return (incoming, outgoing) => void listener(incoming, outgoing)
}

/** RFC 9110 §15.5.22 */
function askForUpgrade(c: Context): Response {
  const error = new FlotillaError(
    'FLT_BAD_HANDSHAKE',
    `${c.req.path} speaks WebSocket: connect to it with a WebSocket client`,
  )
  return c.json(error, 426, { Upgrade: 'websocket', Connection: 'Upgrade' })
}

/** What is not even a request to the app: a path with a backslash, a `Host` that is none. */
function answerUnreadable(error: unknown, logger: Logger): Response {
  const isTheirs = error instanceof RequestError
  if (!isTheirs) logger.error({ error }, 'an HTTP request failed unexpectedly')
  const told = isTheirs ? badRequest(`the request cannot be read: ${error.message}`) : publicError(error, logger)
  return Response.json(told, { status: told.status })
}
