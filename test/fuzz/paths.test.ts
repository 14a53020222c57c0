import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isFlotillaError } from '../../src/errors.ts'
import { parsePath } from '../../src/modules/path.ts'
import { Router } from '../../src/modules/router.ts'
import { runs } from '../support/fuzz.ts'

test('a module path is accepted, or FLT_BAD_MODULE says what is wrong with it', () => {
  const anyPath = fc.oneof(
    fc.anything({ withNullPrototype: true, withBigInt: true }),
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^\/[a-z:%{}*?# /]{0,20}$/),
  )
  const property = fc.property(anyPath, (path) => {
    try {
      assert.ok(parsePath(path).length > 0)
      assert.ok(typeof path === 'string' && path.startsWith('/'))
    } catch (error) {
      assert.ok(isFlotillaError(error) && error.code === 'FLT_BAD_MODULE', String((error as Error).stack))
    }
  })
  fc.assert(property, runs(2_000))
})

const STATICS = ['a', 'b', 'é', '', 'a%20b', '%']
const anySegment = fc.constantFrom(...STATICS, ':x', ':y', ':__proto__')
const anyPath = fc.array(anySegment, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join('/')}`)
const anyRequest = fc.oneof(
  fc
    .array(fc.constantFrom(...STATICS, 'c', '%C3%A9', '%61', '%2F', '%zz', '%E0%A4', '..'), {
      minLength: 1,
      maxLength: 4,
    })
    .map((segments) => `/${segments.join('/')}`),
  fc.string({ unit: 'binary' }),
)

test('a request finds the same path as a plain search through all paths', () => {
  const property = fc.property(
    fc.array(anyPath, { maxLength: 6 }),
    fc.array(anyRequest, { maxLength: 12 }),
    (paths, requests) => {
      const router = new Router<string>()
      const added = paths.filter((path) => isAdded(router, path))
      for (const request of requests) {
        const match = router.match(request)
        assert.equal(match?.value, search(added, request), request)
        for (const value of Object.values(match?.params ?? {})) assert.notEqual(value, '')
        assert.equal(Object.getPrototypeOf(match?.params ?? {}), Object.prototype)
      }
    },
  )
  fc.assert(property, runs(2_000))
})

function isAdded(router: Router<string>, path: string): boolean {
  try {
    router.add(path, path)
    return true
  } catch (error) {
    assert.ok(isFlotillaError(error) && error.code === 'FLT_BAD_MODULE', String((error as Error).stack))
    return false
  }
}

/**
 * The path that has a static segment at the first place where the matching paths differ. A static segment matches the
 * bytes that a browser sends for it.
 */
function search(paths: readonly string[], request: string): string | undefined {
  if (!request.startsWith('/')) return undefined
  const asked = request.slice(1).split('/')
  const fitting = paths.filter((path) => {
    const segments = path.slice(1).split('/')
    if (segments.length !== asked.length) return false
    return segments.every((segment, index) =>
      segment.startsWith(':')
        ? asked[index] !== '' && decode(asked[index]!) !== undefined
        : encodeURIComponent(decode(segment) ?? segment) === asked[index],
    )
  })
  const rank = (path: string): string =>
    path
      .slice(1)
      .split('/')
      .map((segment) => (segment.startsWith(':') ? '1' : '0'))
      .join('')
  return fitting.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))[0]
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}
