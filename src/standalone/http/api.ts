import { Hono } from 'hono'
import {
  type ConnectionInfo,
  FlotillaError,
  type JsonSource,
  type Logger,
  parsePushBody,
  type Receipt,
  type Server,
} from '../../index.ts'
import { answerError, publicError } from './api-error.ts'
import { type Access, type Env, onlyOwnPages, requireKey } from './api-guard.ts'
import { parseBatch } from './api-input.ts'
import { operations } from './api-operations.ts'
import { bodySizeOf, checkPath, readJson } from './api-read.ts'
import { ApiRouter } from './api-router.ts'
import { requestPath } from './request-path.ts'

export interface ApiOptions {
  readonly access: Access
  readonly wrongKeyCount: () => number
  readonly server: Server
  readonly logger: Logger
  readonly maxPayload: number
}

/** An app that answers every error as `{"error":{"code","message"}}`. */
export function createApp(logger: Logger): Hono<Env> {
  const app = new Hono<Env>({ getPath: (request, options) => requestPath(options?.env?.incoming.url ?? request.url) })
  app.onError((error, c) => answerError(c, publicError(error, logger)))
  app.notFound((c) => answerError(c, new FlotillaError('FLT_NOT_FOUND', nothingAt(c.req.path))))
  return app
}

/** The HTTP API: pushes, and what the library knows of the cluster, in JSON for any language. */
export function addApi(app: Hono<Env>, options: ApiOptions): void {
  app.use('/api/*', requireKey(options.access, 'the HTTP API is off: start the server with --api-key'))
  if (options.access.dev) app.use('/api/*', onlyOwnPages)
  app.use('/api/*', async (c, next) => {
    checkPath(c.req.path)
    c.header('Cache-Control', 'no-store')
    await next()
  })
  const router = new ApiRouter(app)
  addPushes(router, options)
  addDirectory(router, options)
  router.add(operations.document, async () => ({ ...(await import('./api-document.ts')).apiDocument() }))
  router.refuseOthers()
}

function addPushes(router: ApiRouter, { server, logger, maxPayload }: ApiOptions): void {
  const limit = bodySizeOf(maxPayload)
  const push = async (body: JsonSource): Promise<Receipt> => {
    const { target, message, options } = parsePushBody(body)
    return receiptOf(await server.cluster.push(target, message, options))
  }
  router.add(operations.push, async (_, c) => push(await readJson(c, limit)))
  const result = (body: JsonSource) => push(body).catch((error: unknown) => publicError(error, logger).toJSON())
  router.add(operations.pushBatch, async (_, c) => {
    const pushes = parseBatch(await readJson(c, 4 * limit))
    return { results: await Promise.all(pushes.map(result)) }
  })
}

function addDirectory(router: ApiRouter, { server, wrongKeyCount }: ApiOptions): void {
  const { cluster } = server
  router.add(operations.user, async ({ uid }) => {
    const found = await cluster.connections(uid)
    const connections = found.map(({ connection, node, since, path, ip }) => ({ connection, node, since, path, ip }))
    return { uid, online: connections.length > 0, connections }
  })
  router.add(operations.closeUser, async ({ uid, code, reason }) => {
    return { closedCount: await cluster.disconnect({ uid }, code, reason) }
  })
  router.add(operations.closeConnection, async ({ connection, code, reason }) => {
    return { closedCount: await cluster.disconnect({ connection }, code, reason) }
  })
  router.add(operations.group, async ({ group, limit, cursor }) => {
    const page = { ...(limit !== undefined && { limit }), ...(cursor !== undefined && { cursor }) }
    const { memberCount, members, cursor: next } = await cluster.members(group, page)
    return { group, memberCount, members: members.map(memberOf), cursor: next }
  })
  router.add(operations.closeGroup, async ({ group, code, reason }) => {
    return { closedCount: await cluster.disconnect({ group }, code, reason) }
  })
  router.add(operations.join, async ({ group, uid }) => ({ connectionCount: await cluster.join({ uid }, group) }))
  router.add(operations.leave, async ({ group, uid }) => ({ connectionCount: await cluster.leave({ uid }, group) }))
  router.add(operations.nodes, async () => ({ self: cluster.self, nodes: await cluster.nodes() }))
  router.add(operations.stats, async () => {
    return { cluster: await cluster.counts(), local: { ...server.stats(), wrongKeyCount: wrongKeyCount() } }
  })
}

function receiptOf({ id, nodeCount, offline, offlineCount, held, heldCount }: Receipt): Receipt {
  const counts = { ...(offlineCount !== undefined && { offlineCount }), ...(heldCount !== undefined && { heldCount }) }
  return { id, nodeCount, offline, ...(held && { held }), ...counts }
}

function memberOf({ uid, connection, node }: ConnectionInfo): Pick<ConnectionInfo, 'uid' | 'connection' | 'node'> {
  return { uid, connection, node }
}

/** HTTP clients fold `/api/users/..` into `/api/` before they send it: their users learn which form takes any name. */
function nothingAt(path: string): string {
  const message = `there is nothing at ${path}`
  if (!path.startsWith('/api/') || !path.endsWith('/')) return message
  return `${message}: if a name is empty, "." or "..", give it in the query, as in /api/users?uid=..`
}
