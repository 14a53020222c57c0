import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Router } from '../../src/modules/router.ts'

function routerOf(...paths: string[]): Router<string> {
  const router = new Router<string>()
  for (const path of paths) router.add(path, path)
  return router
}

test('finds each path that was added, with its parameters', () => {
  const router = routerOf('/', '/chat', '/chat/:room', '/chat/:room/users/:user')
  assert.deepEqual(router.match('/'), { value: '/', params: {} })
  assert.deepEqual(router.match('/chat'), { value: '/chat', params: {} })
  assert.deepEqual(router.match('/chat/red'), { value: '/chat/:room', params: { room: 'red' } })
  assert.deepEqual(router.match('/chat/red/users/u1')?.params, { room: 'red', user: 'u1' })
})

test('finds no other path', () => {
  const router = routerOf('/chat', '/chat/:room')
  for (const path of ['/', '', 'chat', '/Chat', '/chat/', '/chat//', '/chat/a/', '/chat/a/b', '*', 'http://x/chat'])
    assert.equal(router.match(path), undefined, path)
})

test('prefers static segments, and falls back to a parameter if they lead nowhere', () => {
  const router = routerOf('/a/:x/c', '/a/b/:y', '/a/:x/:y/d', '/a/b')
  assert.equal(router.match('/a/b')?.value, '/a/b')
  assert.equal(router.match('/a/b/c')?.value, '/a/b/:y')
  assert.equal(router.match('/a/z/c')?.value, '/a/:x/c')
  assert.deepEqual(router.match('/a/b/c/d'), { value: '/a/:x/:y/d', params: { x: 'b', y: 'c' } })
})

test('decodes parameters, and matches no path with malformed percent-encoding', () => {
  const router = routerOf('/chat/:room', '/café')
  assert.deepEqual(router.match('/chat/a%2Fb%20c')?.params, { room: 'a/b c' })
  assert.equal(router.match('/caf%C3%A9')?.value, '/café')
  assert.equal(router.match('/chat/%E0%A4%A'), undefined)
  assert.equal(router.match('/chat/%'), undefined)
})

test('a parameter may have the name of a property that every object has', () => {
  const router = routerOf('/:__proto__/:constructor')
  const { params } = router.match('/a/b')!
  assert.deepEqual(Object.entries(params), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ])
  assert.equal(Object.getPrototypeOf(params), Object.prototype)
})

test('refuses two paths that match the same requests, and names both', () => {
  assert.throws(() => routerOf('/a', '/a'), { code: 'FLT_BAD_MODULE', message: /two modules have the path '\/a'/ })
  assert.throws(() => routerOf('/a/:x', '/a/:y'), { code: 'FLT_BAD_MODULE', message: /'\/a\/:y', as '\/a\/:x'/ })
})

for (const [path, hint] of [
  ['chat', /must begin with a slash: '\/chat'/],
  ['', /must begin with a slash/],
  ['/chat/{room}', /parameters are written ':room'/],
  ['/chat/{id', /parameters are written ':id'/],
  ['/chat/*', /has '\*'/],
  ['/chat?x', /has '\?'/],
  ['/chat/:', /a name of letters/],
  ['/chat/:room(\\d+)', /a name of letters/],
  ['/:a/:a', /two parameters :a/],
] as const)
  test(`refuses the path ${JSON.stringify(path)} with a hint`, () => {
    assert.throws(() => routerOf(path), { code: 'FLT_BAD_MODULE', message: hint })
  })

const segment = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }).filter((text) => !/[/]/.test(text))
const name = fc.stringMatching(/^[a-z_]{1,8}$/)

test('any value of a parameter comes back unchanged', () => {
  const property = fc.property(
    fc.uniqueArray(fc.tuple(name, segment), { selector: ([key]) => key, minLength: 1, maxLength: 5 }),
    (parts) => {
      const path = parts.map(([key], index) => `/s${index}/:${key}`).join('')
      const asked = parts.map(([, value], index) => `/s${index}/${encodeURIComponent(value)}`).join('')
      assert.deepEqual(routerOf('/other', path).match(asked), { value: path, params: Object.fromEntries(parts) })
    },
  )
  fc.assert(property)
})

test('never throws, whatever path it is asked for', () => {
  const router = routerOf('/', '/a/:b', '/:a/b/:c')
  fc.assert(fc.property(fc.webPath(), (path) => void router.match(path)))
  fc.assert(fc.property(fc.string(), (path) => void router.match(`/${path}`)))
})
