import assert from 'node:assert/strict'
import { operations, queryPathOf } from '../../src/standalone/http/api-operations.ts'
import { failure } from '../../src/standalone/http/api-schemas.ts'

/** These answer load balancers, with words of their own. */
const PROBE = /^\/(healthz|readyz)/

/** Checks that an answer of the API has every field that its description requires, and no other than those it names. */
export function checkAnswer(method: string, path: string, { status, body }: { status: number; body: unknown }): void {
  if (PROBE.test(path) || (!path.startsWith('/api/') && status < 400)) return
  const schema = status >= 400 ? failure : operationAt(method, path)?.answer
  assert.ok(schema !== undefined, `nothing describes ${method} ${path}`)
  // Parsing leaves out what the description does not name.
  assert.deepEqual(schema.parse(body), body, `${method} ${path}`)
}

function operationAt(method: string, path: string) {
  const [pathname = ''] = path.split('?', 1)
  return Object.values(operations).find((operation) => {
    if (operation.method !== method) return false
    const pattern = operation.path.replaceAll(/\{\w+\}/g, '[^/]+')
    return new RegExp(`^${pattern}$`).test(pathname) || queryPathOf(operation) === pathname
  })
}
