import type { z } from 'zod'
import * as schemas from './api-schemas.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** A call of the API: what it takes, and what it answers. */
export interface Operation<
  Names extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Answer extends z.ZodType<object> = z.ZodType<object>,
> {
  readonly method: Method
  /** The path, with the names of `names` in braces. Without them it is the form that takes the names in the query. */
  readonly path: string
  readonly id: string
  readonly summary: string
  readonly names: Names
  readonly query: Query
  readonly body?: z.ZodType
  readonly answer: Answer
}

const { nothing } = schemas

function call<Names extends z.ZodObject, Query extends z.ZodObject, Answer extends z.ZodType<object>>(
  operation: Operation<Names, Query, Answer>,
): Operation<Names, Query, Answer> {
  return operation
}

/** Every call of the API. The router, openapi.json and the table in docs/http-api.md are made from this. */
export const operations = {
  push: call({
    method: 'POST',
    path: '/api/push',
    id: 'push',
    summary: 'Push a message to users, groups, connections or everyone',
    names: nothing,
    query: nothing,
    body: schemas.pushBody,
    answer: schemas.receipt,
  }),
  pushBatch: call({
    method: 'POST',
    path: '/api/push/batch',
    id: 'pushBatch',
    summary: 'Make up to 1,000 pushes, each of which gets a receipt or an error',
    names: nothing,
    query: nothing,
    body: schemas.batchBody,
    answer: schemas.batchAnswer,
  }),
  user: call({
    method: 'GET',
    path: '/api/users/{uid}',
    id: 'getUser',
    summary: 'List the connections of a user',
    names: schemas.uidName,
    query: nothing,
    answer: schemas.user,
  }),
  closeUser: call({
    method: 'DELETE',
    path: '/api/users/{uid}',
    id: 'closeUser',
    summary: 'Close all connections of a user',
    names: schemas.uidName,
    query: schemas.closeQuery,
    answer: schemas.closed,
  }),
  closeConnection: call({
    method: 'DELETE',
    path: '/api/connections/{connection}',
    id: 'closeConnection',
    summary: 'Close a connection',
    names: schemas.connectionName,
    query: schemas.closeQuery,
    answer: schemas.closed,
  }),
  group: call({
    method: 'GET',
    path: '/api/groups/{group}',
    id: 'getGroup',
    summary: 'List the members of a group, page by page',
    names: schemas.groupName,
    query: schemas.pageQuery,
    answer: schemas.group,
  }),
  closeGroup: call({
    method: 'DELETE',
    path: '/api/groups/{group}',
    id: 'closeGroup',
    summary: 'Close all connections in a group',
    names: schemas.groupName,
    query: schemas.closeQuery,
    answer: schemas.closed,
  }),
  join: call({
    method: 'PUT',
    path: '/api/groups/{group}/members/{uid}',
    id: 'joinGroup',
    summary: "Put a user's present connections into a group",
    names: schemas.memberNames,
    query: nothing,
    answer: schemas.joined,
  }),
  leave: call({
    method: 'DELETE',
    path: '/api/groups/{group}/members/{uid}',
    id: 'leaveGroup',
    summary: "Take a user's present connections out of a group",
    names: schemas.memberNames,
    query: nothing,
    answer: schemas.joined,
  }),
  nodes: call({
    method: 'GET',
    path: '/api/nodes',
    id: 'listNodes',
    summary: 'List the live nodes',
    names: nothing,
    query: nothing,
    answer: schemas.nodes,
  }),
  stats: call({
    method: 'GET',
    path: '/api/stats',
    id: 'getStats',
    summary: 'Count the cluster, and this node',
    names: nothing,
    query: nothing,
    answer: schemas.stats,
  }),
  document: call({
    method: 'GET',
    path: '/api/openapi.json',
    id: 'getDocument',
    summary: 'Describe this API, as OpenAPI 3.1',
    names: nothing,
    query: nothing,
    answer: schemas.document,
  }),
}

/** The path of the form that takes the names in the query, which no program folds: `/api/users`, `/api/members`. */
export function queryPathOf({ path, names }: Pick<Operation, 'path' | 'names'>): string | undefined {
  if (Object.keys(names.shape).length === 0) return undefined
  return path.replace('/groups/{group}/members', '/members').replace(/\/\{.*/, '')
}
