import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import { packageVersion } from '../common/package-version.ts'
import { type Operation, operations, queryPathOf } from './api-operations.ts'
import { failure } from './api-schemas.ts'

type Document = ReturnType<typeof createDocument>

const FAILURES = {
  400: 'Something in the request is wrong. The message names it.',
  401: 'The API key is missing or wrong.',
  403: 'The API is off because the server has no key, or the caller is not allowed.',
  409: 'The `id` of the push is taken.',
  413: 'The body or the message is too large.',
  415: 'The body is not `application/json`, or is in a coding other than gzip, deflate and br.',
  429: 'Too many wrong API keys came from this address.',
  500: "Something failed; the server's log says what.",
  503: 'Not possible right now. If the code is one that docs/errors.md marks for retry, try again later.',
} as const
const OF_EVERY_CALL = [400, 401, 403, 429, 500, 503] as const
const OF_A_BODY = [409, 413, 415] as const

let made: Document | undefined

/** The API as an OpenAPI document, made from the operations. */
export function apiDocument(): Document {
  made ??= createDocument(
    {
      openapi: '3.1.1',
      info: {
        title: 'Flotilla HTTP API',
        version: packageVersion(),
        description:
          'Pushes messages to users, groups and connections of a Flotilla cluster, and says who is connected. Every call can be made on any node.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'the node that serves this document' }],
      security: [{ apiKey: [] }],
      tags: [],
      paths: pathsOf(Object.values(operations)),
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'what `--api-key` sets; with `--dev` none is needed' },
        },
      },
    },
    { override: ({ jsonSchema, io }) => void (io === 'output' && allowMore(jsonSchema)) },
  )
  return made
}

/** An answer may get new fields, which old clients must not refuse. */
function allowMore(jsonSchema: { additionalProperties?: unknown }): void {
  if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
}

function pathsOf(all: readonly Operation[]): ZodOpenApiPathsObject {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {}
  for (const operation of all) {
    const method = operation.method.toLowerCase()
    const queryPath = queryPathOf(operation)
    paths[operation.path] = { ...paths[operation.path], [method]: describe(operation, 'path') }
    if (queryPath !== undefined) paths[queryPath] = { ...paths[queryPath], [method]: describe(operation, 'query') }
  }
  return paths
}

/** @param place where the names are. The other form of an operation gets an id of its own, because ids are unique. */
function describe(
  { id, summary, names, query, body, answer }: Operation,
  place: 'path' | 'query',
): ZodOpenApiOperationObject {
  const inQuery = place === 'query'
  const statuses = [...OF_EVERY_CALL, ...(body === undefined ? [] : OF_A_BODY)]
  const failures = statuses.map(
    (status) => [status, { description: FAILURES[status], content: json(failure) }] as const,
  )
  return {
    operationId: inQuery ? `${id}ByQuery` : id,
    summary: inQuery ? `${summary}, whose name may be any text` : summary,
    requestParams: inQuery ? { query: query.extend(names.shape) } : { path: names, query },
    ...(body !== undefined && { requestBody: { required: true, content: json(body) } }),
    responses: { 200: { description: 'Done.', content: json(answer) }, ...Object.fromEntries(failures) },
  }
}

function json<Schema>(schema: Schema): { 'application/json': { schema: Schema } } {
  return { 'application/json': { schema } }
}
