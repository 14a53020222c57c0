import type { IncomingMessage, RequestListener } from 'node:http'
import { getRequestListener, RequestError } from '@hono/node-server'
import type { Context } from 'hono'
import { FlotillaError, type Logger, type Server } from '../../index.ts'
import type { Config } from '../config/config-check.ts'
import { answerBadMethod, badRequest, publicError } from './api-error.ts'
import { onlyThisMachine, requireKey } from './api-guard.ts'
import type { ApiKey } from './api-key.ts'
import { addApi, createApp } from './api.ts'
import { addDevPage } from './dev-page.ts'
import { Health } from './health.ts'
import { createMetrics } from './metrics.ts'

const METRICS_OFF = 'metrics need the API key, but this server has none: start it with --api-key or --metrics-open'

/** Serves all plain HTTP: the API, health, metrics, and with --dev the page. */
export function createHttp(server: Server, config: Config, logger: Logger, apiKey: ApiKey): RequestListener {
  const { dev, maxPayload, metricsOpen } = config
  const access = { apiKey, dev, networkOf: (request: IncomingMessage) => server.networkOf(request) }
  const wrongKeyCount = (): number => apiKey.wrongCount
  const app = createApp(logger)
  if (dev) app.use(onlyThisMachine)
  const metrics = createMetrics(server, wrongKeyCount)
  if (!metricsOpen) app.use('/metrics', requireKey(access, METRICS_OFF))
  app.get('/metrics', async (c) => {
    return c.text(await metrics.metrics(), 200, { 'Content-Type': metrics.contentType })
  })
  app.all('/metrics', (c) => answerBadMethod(c, ['GET']))
  addApi(app, { server, logger, maxPayload, access, wrongKeyCount })
  for (const path of config.echo ? ['/ws', '/echo'] : ['/ws']) app.all(path, askForUpgrade)
  if (dev) addDevPage(app)
  // Leave the global Request and Response alone: the user's modules use them.
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: (error) => answerUnreadable(error, logger),
  })
  const health = new Health(server, dev, logger)
  return (incoming, outgoing) => {
    if (!health.answers(incoming, outgoing)) void listener(incoming, outgoing)
  }
}

/** Answers 426 (RFC 9110 §15.5.22). */
function askForUpgrade(c: Context): Response {
  const error = new FlotillaError(
    'FLT_UPGRADE_REQUIRED',
    `${c.req.path} speaks WebSocket: connect to it with a WebSocket client`,
  )
  return c.json(error, 426, { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13' })
}

/** Answers a request that cannot reach the app, such as one with a backslash in its path or with an invalid `Host`. */
function answerUnreadable(error: unknown, logger: Logger): Response {
  const isTheirs = error instanceof RequestError
  if (!isTheirs) logger.error({ error }, 'an HTTP request failed unexpectedly')
  const told = isTheirs ? badRequest(`the request cannot be read: ${error.message}`) : publicError(error, logger)
  return Response.json(told, { status: told.status })
}
