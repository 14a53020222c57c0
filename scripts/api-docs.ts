// Writes the tables of docs/http-api.md from the operations of the HTTP API.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { apiDocument } from '../src/standalone/http/api-document.ts'
import { type Operation, operations, queryPathOf } from '../src/standalone/http/api-operations.ts'
import { aligned } from './option-docs.ts'

const file = new URL('../docs/http-api.md', import.meta.url)
const components = (apiDocument().components?.schemas ?? {}) as Record<string, Shape>

/** As much of JSON Schema as the API uses. */
interface Shape {
  readonly $ref?: string
  readonly type?: string
  readonly description?: string
  readonly properties?: Record<string, Shape>
  readonly additionalProperties?: unknown
  readonly items?: Shape
  readonly anyOf?: readonly Shape[]
}

export function readApiDocs(): string {
  return readFileSync(file, 'utf8')
}

/** The docs with up-to-date tables. */
export function withTables(docs: string): string {
  return withTable(withTable(docs, 'calls', callTable()), 'fields of a push', fieldTable())
}

function withTable(docs: string, what: string, table: string): string {
  const place = new RegExp(`(<!-- ${what}: npm run docs -->\n\n).*?\n?<!-- end of ${what} -->`, 's')
  if (!place.test(docs)) throw new Error(`${file.pathname} has lost the comments around its table of ${what}`)
  return docs.replace(place, (_, begin: string) => `${begin}${table}\n<!-- end of ${what} -->`)
}

function callTable(): string {
  const rows = Object.values(operations).map((operation) => {
    const { method, path, summary } = operation
    const queryPath = queryPathOf(operation)
    const names = Object.keys(operation.names.shape).map((name) => `${name}=`)
    const other = queryPath === undefined ? '' : `\`${queryPath}?${names.join('&')}\``
    return [`\`${method} ${path}\``, other, summary, takenBy(operation), answerOf(operation)]
  })
  return aligned([['call', 'or, with any name', 'does', 'takes', 'answers'], ...rows])
}

function takenBy({ query, body }: Pick<Operation, 'query' | 'body'>): string {
  if (body === operations.push.body) return '[a push](#a-push)'
  if (body !== undefined) return '`{"pushes":[…]}`'
  const fields = Object.keys(query.shape).map((field) => `${field}=`)
  return fields.length === 0 ? '' : `\`?${fields.join('&')}\``
}

function answerOf({ path, method }: Pick<Operation, 'path' | 'method'>): string {
  const item = apiDocument().paths?.[path] as Record<string, { responses: Record<string, Answer> }>
  const schema = item[method.toLowerCase()]!.responses['200']!.content['application/json'].schema
  return schema.description ?? `\`${shapeOf(schema)}\``
}

interface Answer {
  readonly content: { readonly 'application/json': { readonly schema: Shape } }
}

/** The names in an answer, as JSON without the values. */
function shapeOf(shape: Shape): string {
  const { $ref, properties, additionalProperties, items } = shape
  if ($ref !== undefined) return shapeOf(components[$ref.replace('#/components/schemas/', '')]!)
  if (items !== undefined) return items.anyOf === undefined ? `[${shapeOf(items)}]` : '[…]'
  if (properties === undefined) return ''
  const fields = Object.entries(properties).map(([name, value]) => {
    const inner = shapeOf(value)
    return inner === '' ? `"${name}"` : `"${name}":${inner}`
  })
  return `{${[...fields, ...(additionalProperties === undefined ? [] : ['…'])].join(',')}}`
}

function fieldTable(): string {
  const { properties = {} } = components['Push']!
  const rows = Object.entries(properties).map(([name, shape]) => {
    const inner = shapeOf(shape)
    return [`\`"${name}"\``, `${shape.description ?? ''}${inner === '' ? '' : `: \`${inner}\``}`]
  })
  return aligned([['field', 'means'], ...rows])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, withTables(readApiDocs()))
