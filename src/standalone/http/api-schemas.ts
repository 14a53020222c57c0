import { z } from 'zod'

// The shapes of all requests and answers of the HTTP API. They check requests, and openapi.json is made from them.

const MAX_BATCH = 1_000
const MAX_NAMES = 10_000

// ---- requests

/** `push` itself checks names, as it does for users of the library; test/standalone/api-document.test.ts compares the two. */
const name = z.string({ error: 'is missing from the query' }).meta({ minLength: 1, maxLength: 255 })
const bounded = z.string().min(1).max(255)
const nameOrNames = (what: string) =>
  z.union([bounded, z.array(bounded).max(MAX_NAMES)]).meta({ description: `${what}: one, or a list` })

export const uidName = z.strictObject({ uid: name.meta({ description: 'the user' }) })
export const groupName = z.strictObject({ group: name.meta({ description: 'the group' }) })
export const connectionName = z.strictObject({ connection: name.meta({ description: 'the id of the connection' }) })
export const memberNames = z.strictObject({ ...groupName.shape, ...uidName.shape })

/** A number in a query, which comes as digits. It is described as the number that it means. */
function digits(pattern: RegExp, error: string, means: { description: string } & Record<string, unknown>) {
  const override = ({ jsonSchema }: { jsonSchema: Record<string, unknown> }): void => {
    delete jsonSchema['pattern']
    Object.assign(jsonSchema, { type: 'integer', ...means })
  }
  return z.string().regex(pattern, { error }).transform(Number).meta({ override })
}

export const closeQuery = z.strictObject({
  code: digits(/^(1000|[34]\d{3})$/, 'takes 1000 or a number from 3000 to 4999', {
    anyOf: [{ const: 1000 }, { minimum: 3000, maximum: 4999 }],
    description: 'the close code, 4403 unless given',
  }).optional(),
  reason: z
    .string()
    .refine((reason) => Buffer.byteLength(reason) <= 123, { error: 'takes at most 123 bytes of UTF-8' })
    .meta({ maxLength: 123, description: 'the reason that the client is told' })
    .optional(),
})

export const pageQuery = z.strictObject({
  limit: digits(/^([1-9]\d{0,2}|1000)$/, 'takes a whole number from 1 to 1000', {
    minimum: 1,
    maximum: 1000,
    default: 100,
    description: 'the most members that the page may hold',
  }).optional(),
  cursor: z
    .string()
    .min(1, { error: 'takes the cursor of the previous page' })
    .meta({ description: 'the `cursor` of the previous page' })
    .optional(),
})

export const nothing = z.strictObject({})

/** Describes what `parsePushBody` and `push` take. Those check it, because the stream in Redis has the same bodies. */
export const pushBody = z
  .strictObject({
    uid: nameOrNames('the users').optional(),
    group: nameOrNames('the groups').optional(),
    connection: nameOrNames('the connections').optional(),
    all: z.literal(true).meta({ description: '`true`: everyone' }).optional(),
    message: z.unknown().meta({ description: 'any JSON; a string goes out as it is' }).optional(),
    binary: z
      .string()
      .meta({
        pattern: '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
        contentEncoding: 'base64',
        description: 'bytes, in place of `message`, as base64',
      })
      .optional(),
    except: z
      .strictObject({
        uid: nameOrNames('users').optional(),
        connection: nameOrNames('connections').optional(),
      })
      .meta({ description: 'who does not get it' })
      .optional(),
    id: bounded.meta({ description: 'a push with the same id is sent once within 10 minutes' }).optional(),
    key: bounded
      .meta({ description: 'a newer message with the same key replaces one that still waits for its client' })
      .optional(),
    hold: z
      .int()
      .min(1)
      .max(60_000)
      .meta({ description: 'with `uid`: for how many ms it waits for users who are nowhere' })
      .optional(),
  })
  .meta({
    id: 'Push',
    description: 'A message, and whom it is for.',
    dependentRequired: { hold: ['uid'] },
    allOf: [oneOf('uid', 'group', 'connection', 'all'), oneOf('message', 'binary')],
    examples: [{ uid: ['u1', 'u2'], message: { text: 'hello' }, id: 'order-42' }],
  })

function oneOf(...fields: string[]): object {
  return { oneOf: fields.map((field) => ({ required: [field] })) }
}

/** Each push of a batch is checked by itself, so that one that is wrong does not spoil the others. */
const pushOfBatch = z.unknown().meta({ $ref: '#/components/schemas/Push' })

export const batchBody = z.strictObject({
  pushes: z
    .array(pushOfBatch, { error: 'takes a list of pushes' })
    .max(MAX_BATCH, { error: `has more than ${MAX_BATCH} entries: send several batches` }),
})

// ---- answers

const count = z.int().min(0)
const time = z.int().meta({ description: 'ms since 1970' })

export const failure = z
  .object({
    error: z.object({
      code: z.string().regex(/^FLT_[A-Z_]+$/),
      message: z.string().meta({ description: 'what is wrong, and what to do' }),
    }),
  })
  .meta({ id: 'Error', description: 'docs/errors.md lists the codes.' })

export const receipt = z
  .object({
    id: z.string().meta({ description: 'the id of the push' }),
    nodeCount: count.meta({ description: 'the nodes that the message is stored for' }),
    offline: z.array(z.string()).meta({ description: 'the uids or connections of the target that were not connected' }),
    offlineCount: count
      .meta({ description: 'if a push is repeated and more than 20 were offline: their number instead of a list' })
      .optional(),
    held: z
      .array(z.string())
      .meta({ description: 'if the push had `hold`: those of `offline` for whom the message waits' })
      .optional(),
    heldCount: count.meta({ description: 'with `offlineCount`: the number of `held`, instead of a list' }).optional(),
  })
  .meta({ id: 'Receipt' })

export const batchAnswer = z.object({
  results: z.array(z.union([receipt, failure])).meta({ description: 'in the order of `pushes`' }),
})

export const closed = z.object({ closedCount: count.meta({ description: 'the connections that were closed' }) })
export const joined = z.object({ connectionCount: count.meta({ description: 'the connections that joined or left' }) })

const connection = z
  .object({ connection: z.string(), node: z.string(), since: time, path: z.string(), ip: z.string() })
  .meta({ id: 'Connection' })
export const user = z.object({ uid: z.string(), online: z.boolean(), connections: z.array(connection) })

const member = z
  .object({ uid: z.string().optional(), connection: z.string(), node: z.string() })
  .meta({ id: 'Member', description: 'A connection that is in the group, and its user.' })
export const group = z.object({
  group: z.string(),
  memberCount: count,
  members: z.array(member),
  cursor: z.string().meta({ description: 'for the next page; the last page has none' }).optional(),
})

const node = z
  .object({
    node: z.string(),
    name: z.string(),
    url: z.string().optional(),
    startedAt: time,
    lastSeen: time,
    connectionCount: count,
  })
  .meta({ id: 'Node' })
export const nodes = z.object({ self: z.string(), nodes: z.array(node) })

export const stats = z.object({
  cluster: z.object({ nodeCount: count, connectionCount: count }),
  local: z.looseObject({ node: z.string() }).meta({
    additionalProperties: { type: 'integer', minimum: 0 },
    description: 'this node: its id, the figures of `server.stats()`, and `wrongKeyCount`',
  }),
})

export const document = z.looseObject({ openapi: z.string() }).meta({ description: 'an OpenAPI document' })
