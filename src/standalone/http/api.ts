import { Hono, type Context } from 'hono'
import {
  FlotillaError,
  type JsonSource,
  type Logger,
  parsePushBody,
  type Receipt,
  type Server,
  type Target,
} from '../../index.ts'
import { parseBatch, parseClose, parsePage } from './api-body.ts'
import { answerError, publicError } from './api-error.ts'
import { type Access, type Env, onlyOwnPages, requireKey } from './api-guard.ts'
import { bodySizeOf, checkPath, queryOf, rawPath, readJson } from './api-read.ts'

export interface ApiOptions {
  readonly access: Access
  readonly wrongKeyCount: () => number
  readonly server: Server
  readonly logger: Logger
  readonly maxPayload: number
}

type Call = (c: Context<Env>) => Promise<object>
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** An app that answers every error as `{"error":{"code","message"}}`. */
export function createApp(logger: Logger): Hono<Env> {
  const app = new Hono<Env>({ getPath: rawPath })
  app.onError((error, c) => answerError(c, publicError(error, logger)))
  app.notFound((c) => answerError(c, new FlotillaError('FLT_NOT_FOUND', `there is nothing at ${c.req.path}`)))
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
  addPushes(app, options)
  addDirectory(app, options)
}

function addPushes(app: Hono<Env>, { server, logger, maxPayload }: ApiOptions): void {
  const limit = bodySizeOf(maxPayload)
  const push = (body: JsonSource): Promise<Receipt> => {
    const { target, message, options } = parsePushBody(body)
    return server.cluster.push(target, message, options)
  }
  const result = async (body: JsonSource): Promise<object> => {
    try {
      return receiptOf(await push(body))
    } catch (error) {
      return publicError(error, logger).toJSON()
    }
  }
  route(app, '/api/push', { POST: async (c) => receiptOf(await push(await readJson(c, limit))) })
  const batch: Call = async (c) => ({
    results: await Promise.all(parseBatch(await readJson(c, 4 * limit)).map(result)),
  })
  route(app, '/api/push/batch', { POST: batch })
}

function addDirectory(app: Hono<Env>, { server, wrongKeyCount }: ApiOptions): void {
  const { cluster } = server
  const close = (targetOf: (c: Context<Env>) => Target): Call => {
    return async (c) => {
      const { code, reason } = parseClose(queryOf(c))
      return { closedCount: await cluster.disconnect(targetOf(c), code, reason) }
    }
  }
  route(app, '/api/users/:uid', {
    GET: (c) => userOf(server, param(c, 'uid')),
    DELETE: close((c) => ({ uid: param(c, 'uid') })),
  })
  route(app, '/api/connections/:connection', { DELETE: close((c) => ({ connection: param(c, 'connection') })) })
  route(app, '/api/groups/:group', {
    GET: (c) => groupOf(server, c),
    DELETE: close((c) => ({ group: param(c, 'group') })),
  })
  route(app, '/api/groups/:group/members/:uid', {
    PUT: async (c) => ({ connectionCount: await cluster.join({ uid: param(c, 'uid') }, param(c, 'group')) }),
    DELETE: async (c) => ({ connectionCount: await cluster.leave({ uid: param(c, 'uid') }, param(c, 'group')) }),
  })
  route(app, '/api/nodes', { GET: async () => ({ self: cluster.self, nodes: await cluster.nodes() }) })
  const local = () => ({ ...server.stats(), wrongKeyCount: wrongKeyCount() })
  route(app, '/api/stats', { GET: async () => ({ cluster: await cluster.counts(), local: local() }) })
}

/** Routes one path. Any other method gets 405, with the methods that the path has. */
function route(app: Hono<Env>, path: string, calls: Partial<Record<Method, Call>>): void {
  const methods = Object.keys(calls)
  for (const [method, call] of Object.entries(calls)) app.on(method, path, async (c) => c.json(await call(c)))
  app.all(path, (c) => {
    c.header('Allow', methods.join(', '))
    const message = `${c.req.path} does not take ${c.req.method}: use ${methods.join(' or ')}`
    return answerError(c, new FlotillaError('FLT_BAD_METHOD', message))
  })
}

function param(c: Context<Env>, name: string): string {
  return c.req.param(name) ?? ''
}

function receiptOf({ id, nodeCount, offline, offlineCount }: Receipt): Receipt {
  return { id, nodeCount, offline, ...(offlineCount !== undefined && { offlineCount }) }
}

async function userOf({ cluster }: Server, uid: string): Promise<object> {
  const found = await cluster.connections(uid)
  const connections = found.map(({ connection, node, since, path, ip }) => ({ connection, node, since, path, ip }))
  return { uid, online: connections.length > 0, connections }
}

async function groupOf({ cluster }: Server, c: Context<Env>): Promise<object> {
  const group = param(c, 'group')
  const { memberCount, members, cursor } = await cluster.members(group, parsePage(queryOf(c)))
  const listed = members.map(({ uid, connection, node }) => ({ uid, connection, node }))
  return { group, memberCount, members: listed, cursor }
}
