import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createServer, defineModule, type HandshakeContext, memory } from '../../src/index.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'
import { runs } from '../support/fuzz.ts'
import { until } from '../support/until.ts'
import { answerOf, tcp, upgrade } from './wire.ts'

interface Seen {
  readonly pathname: string
  readonly requested: string
  readonly path: string
  readonly params: Readonly<Record<string, string>>
}

/** A server whose middleware records what it sees of each handshake. */
async function start(...paths: string[]): Promise<TestServer & { readonly seen: Seen[] }> {
  const seen: Seen[] = []
  const look = (ctx: HandshakeContext, next: () => Promise<unknown>): Promise<unknown> => {
    const { url, request, path, params } = ctx
    seen.push({ pathname: url.pathname, requested: new URL(request.url).pathname, path, params })
    return next()
  }
  const modules = paths.map((path) => defineModule(path, {}))
  return { ...(await startTestServer({ modules, middleware: { handshake: [look] } })), seen }
}

/** Returns the status of a handshake. A client that is admitted hangs up at once. */
async function statusOf(url: string, target: string, headers: Record<string, string> = {}): Promise<string> {
  const socket = await tcp(url)
  socket.write(upgrade(target, headers), 'latin1')
  socket.once('data', (data) => {
    if (data.toString('latin1').startsWith('HTTP/1.1 101')) socket.destroy()
  })
  return /^HTTP\/1\.1 (\d+)/.exec(await answerOf(socket))?.[1] ?? 'none'
}

const MODULES = ['/', '/admin/:page', '/admin/', '/:any', '/:any/:more', '/:any/:more/:last', '/:a/:b/:c/:d', '/café']

const AMBIGUOUS = {
  'an encoded letter': '/%61dmin/a',
  'an encoded dash': '/admin%2Dx/a',
  'an encoded tilde': '/%7Eann',
  'dot segments': '/x/../admin/a',
  'a dot segment at the end': '/admin/..',
  'a single dot': '/admin/.',
  'an encoded dot segment': '/admin/%2e%2e',
  'a dot segment that is half encoded': '/admin/.%2E',
  'an encoded slash': '/admin%2Fa',
  'an encoded slash in a parameter': '/admin/a%2Fb',
  'an encoded backslash': '/admin%5Ca',
  'a backslash': '/admin\\a',
  'a repeated slash at the start, after which a URL expects a host': '//admin/a',
  'a repeated slash': '/admin//a',
  'a repeated slash at the end': '/admin//',
  'an encoded NUL': '/admin/%00',
  'an encoded line break': '/admin/%0D%0A',
  'an encoded delete': '/admin/%7F',
  'lower-case hexadecimal digits': '/caf%c3%a9',
  'bytes that are not ASCII': '/caf\u00c3\u00a9',
  'an invalid escape': '/admin/%zz',
  'half an escape': '/admin/%4',
  'a percent sign': '/admin/100%',
  'half a character': '/admin/%E0%A4',
  'a character in too many bytes': '/admin/%C0%AF',
  'half a surrogate pair': '/admin/%ED%A0%80',
  'a quotation mark': '/admin/"a"',
  braces: '/admin/{a}',
  'angle brackets': '/admin/<a>',
  'a backquote': '/admin/`a',
  'a fragment': '/admin/a#b',
  'a fragment after the query': '/admin/a?b#c',
  'a host other than that of the Host header': 'http://y/admin/a',
  credentials: 'http://u:p@x/admin/a',
  'another scheme': 'ftp://x/admin/a',
  'no slash': 'admin/a',
}

test('a path that could be read as two different paths is refused with 400 before any middleware', async (t) => {
  await using server = await start(...MODULES)
  for (const [name, target] of Object.entries(AMBIGUOUS))
    await t.test(name, async () => {
      assert.equal(await statusOf(server.url, target), '400')
      assert.deepEqual(server.seen, [])
    })
})

test('a Host that does not make a URL is refused, because ctx.url would lose the path', async () => {
  await using server = await start('/admin/:page')
  for (const host of ['x:99999', 'a%zz', '1.2.3.4.5'])
    assert.equal(await statusOf(server.url, '/admin/a', { Host: host }), '400', host)
  assert.deepEqual(server.seen, [])
})

test('a parameter arrives as it was meant, however browsers and programs encode it', async (t) => {
  const targets: Record<string, string> = {
    '/chat/lobby': 'lobby',
    '/chat/caf%C3%A9': 'café',
    '/chat/a%20b': 'a b',
    '/chat/%F0%9F%A6%84': '🦄',
    '/chat/a@b.c': 'a@b.c',
    '/chat/a%40b.c': 'a@b.c',
    "/chat/!$&'()*+,;=:": "!$&'()*+,;=:",
    '/chat/%21%27%28%29%2A': "!'()*",
    '/chat/a|b[c]': 'a|b[c]',
    '/chat/100%25': '100%',
    '/chat/%3Fa%23b': '?a#b',
    '/chat/%22%3Ca%3E%7Bb%7D%60': '"<a>{b}`',
    '/chat/...': '...',
    '/chat/.a.': '.a.',
    '/chat/~ann-1_2': '~ann-1_2',
    '/chat/lobby?x=%61/../%2F//"': 'lobby',
    'http://x/chat/lobby': 'lobby',
    'WS://X/chat/lobby?a': 'lobby',
  }
  await using server = await start('/chat/:room')
  for (const [target, room] of Object.entries(targets))
    await t.test(target, async () => {
      assert.equal(await statusOf(server.url, target), '101')
      const { pathname, requested, path, params } = server.seen.at(-1)!
      assert.equal(pathname, target.replace(/^WS:\/\/X|^http:\/\/x/, '').split('?')[0])
      assert.deepEqual({ requested, path, params }, { requested: pathname, path: '/chat/:room', params: { room } })
    })
})

test('a name that a browser encodes in a URL is accepted, and decoded to the same name', async () => {
  await using server = await start('/chat/:room')
  const anyName = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((name) => !/[\p{Cc}\p{Surrogate}/\\]/u.test(name) && !/^\.{1,2}$/.test(name))
  const property = fc.asyncProperty(anyName, async (name) => {
    const { pathname } = new URL(`ws://x/chat/${encodeURIComponent(name)}`)
    assert.equal(await statusOf(server.url, pathname), '101', pathname)
    assert.equal(server.seen.at(-1)!.params['room'], name)
  })
  await fc.assert(property, runs(150))
})

test('ctx.url always shows the path that the router matched, byte for byte', async () => {
  await using server = await start(...MODULES)
  const anyPart = fc.oneof(
    fc.constantFrom(
      'admin',
      '%61dmin',
      '..',
      '%2e',
      '.',
      '',
      '%2F',
      '\\',
      'café',
      'caf%C3%A9',
      'caf%c3%a9',
      '%',
      '#',
      '|',
    ),
    fc.constantFrom('^', '`', '{', '}', '<', '>', '"', '[', ']', '@', ':', ';', '=', '~', '\t', '\u007f', '\u0080'),
    fc.webPath().map((path) => path.slice(1)),
    fc.stringMatching(/^[\x21-\xff]{0,4}$/),
  )
  const anyTarget = fc
    .tuple(
      fc.constantFrom('', '', '', 'http://x', 'ws://X', 'http://y', '/'),
      fc.array(anyPart, { minLength: 1, maxLength: 6 }).map((parts) => `/${parts.join('/')}`),
      fc.constantFrom('', '', '?', '?q=/../%61', '?#'),
    )
    .map((parts) => parts.join(''))
  const property = fc.asyncProperty(anyTarget, async (target) => {
    const before = server.seen.length
    const status = await statusOf(server.url, target)
    assert.equal(server.seen.length - before, status === '101' ? 1 : 0, `${target}: ${status}`)
    if (status !== '101') return
    const { pathname, requested, path, params } = server.seen.at(-1)!
    const sent = target.replace(/^(?:http|ws):\/\/x/i, '').split('?')[0]
    assert.deepEqual([pathname, requested], [sent, sent])
    const segments = path.split('/').map((segment) => (segment === 'café' ? 'caf%C3%A9' : segment))
    const read = pathname
      .split('/')
      .map((text, at) => (segments[at]!.startsWith(':') ? `:${decodeURIComponent(text)}` : text))
    assert.deepEqual(
      read,
      segments.map((segment) => (segment.startsWith(':') ? `:${params[segment.slice(1)]}` : segment)),
    )
  })
  await fc.assert(property, runs(400))
})

test('no request gets around a guard by ctx.url or ctx.path in front of all modules', async () => {
  for (const isAdmin of [
    ({ url }: HandshakeContext) => url.pathname.startsWith('/admin'),
    ({ path }: HandshakeContext) => path.startsWith('/admin'),
  ]) {
    let count = 0
    const guard = (ctx: HandshakeContext, next: () => Promise<unknown>): unknown =>
      isAdmin(ctx) ? new Response(undefined, { status: 403 }) : next()
    const admin = defineModule('/admin/:page', { handshake: () => void count++ })
    await using server = await startTestServer({ modules: [admin], middleware: { handshake: [guard] } })
    for (const target of ['/admin/a', ...Object.values(AMBIGUOUS)])
      assert.match(await statusOf(server.url, target), /^40[034]$/, target)
    assert.equal(count, 0)
  }
})

test('a path of more than 2 KiB gets 414, and a long token in the query is accepted', async () => {
  await using server = await start('/:any')
  assert.equal(await statusOf(server.url, `/${'x'.repeat(2_047)}`), '101')
  assert.equal(await statusOf(server.url, `/${'x'.repeat(2_048)}`), '414')
  assert.equal(await statusOf(server.url, `/a?token=${'x'.repeat(8_000)}`), '101')
})

test("ctx.path is the module's pattern in every hook and middleware, whatever the client asked for", async () => {
  const paths: string[] = []
  const keep = ({ path }: { readonly path: string }, next?: () => Promise<unknown>): unknown => {
    paths.push(path)
    return next?.()
  }
  const module = defineModule('/chat/:room', {
    handshake: (ctx) => void keep(ctx),
    open: (ctx) => void keep(ctx),
    message: (ctx) => void keep(ctx),
    close: (ctx) => void keep(ctx),
  })
  const middleware = { handshake: [keep], open: [keep], message: [keep] }
  await using server = await startTestServer({ modules: [module], middleware })
  const client = await server.connect('/chat/caf%C3%A9?x=1')
  const [connection] = server.server.local
  assert.equal(connection!.meta.path, '/chat/caf%C3%A9')
  client.send('hi')
  client.close()
  await until('every hook has run', () => paths.length === 7, { timeout: 60_000 })
  assert.deepEqual(new Set(paths), new Set(['/chat/:room']))
})

test('on an attached server, no spelling of a path gets around the same check', async () => {
  const seen: string[] = []
  const http = createHttp()
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const modules = ['/admin/:page', '/admin'].map((path) =>
    defineModule(path, { handshake: ({ url }) => void seen.push(url.pathname) }),
  )
  await using server = createServer({ modules, driver: memory() }).attach(http)
  await server.ready()
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  for (const [name, target] of Object.entries(AMBIGUOUS)) assert.equal(await statusOf(url, target), '400', name)
  assert.deepEqual(seen, [])
  assert.equal(await statusOf(url, '/admin/a'), '101')
  assert.deepEqual(seen, ['/admin/a'])
  http.closeAllConnections()
  http.close()
})

for (const path of ['/a//b', '/a/../b', '/a/./b', '/a/%2e%2e', '/a%2Fb', '/a\\b', '/a%00'])
  test(`a module cannot live at ${path}, which no request may ask for`, () => {
    assert.throws(() => createServer({ modules: [defineModule(path, {})] }), { code: 'FLT_BAD_MODULE' })
  })

test('a module path is found however its author spelled it', async () => {
  for (const path of ['/café', '/caf%C3%A9', '/caf%c3%a9', '/c%61f%C3%A9']) {
    await using server = await start(path)
    assert.equal(await statusOf(server.url, '/caf%C3%A9'), '101', path)
    assert.equal(server.seen[0]!.path, path)
  }
})
