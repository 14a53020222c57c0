import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect } from '../support/connect.ts'
import { flotilla, startFlotilla, temporaryFolder } from './flotilla.ts'

const dev = ['--dev', '--port=0', '--log-level=silent']

async function write(t: TestContext, name: string, source: string): Promise<string> {
  const file = join(await temporaryFolder(t), name)
  await writeFile(file, source)
  return file
}

test('--module takes TypeScript and JavaScript, named and default exports, decorators and definitions', async (t) => {
  const typescript = await write(
    t,
    'chat.ts',
    `import { defineModule, FlotillaError, type MessageContext, MessageMapping, WsController, WsModule } from 'flotilla'
enum Tone { Loud = 'LOUD' }
export const shout = defineModule('/shout', { message: (ctx) => \`\${Tone.Loud} \${String(ctx.raw)}\` })
@WsController('room')
export class RoomController {
  @MessageMapping('say') say(ctx: MessageContext<{ text: string }>): object { return { heard: ctx.data.text } }
  @MessageMapping('fail') fail(): never { throw new FlotillaError('FLT_FORBIDDEN', 'not you') }
}
@WsModule('/room', { controllers: [RoomController] })
export class RoomModule {}
export const helper = () => 'not a module'`,
  )
  const javascript = await write(
    t,
    'plain.mjs',
    `import { defineModule } from 'flotilla'\nexport default defineModule('/plain', { message: () => 'plain' })`,
  )
  const { url } = await startFlotilla(t, [...dev, '--module', typescript, '--module', javascript])
  const ask = async (path: string, message: string) => {
    const client = await connect(url, { path })
    t.after(() => client.vanish())
    client.send(message)
    return String(await client.next())
  }
  assert.equal(await ask('/shout', 'ahoy'), 'LOUD ahoy')
  assert.equal(await ask('/plain', 'x'), 'plain')
  assert.equal(await ask('/echo', 'x'), 'x')
  const said = JSON.parse(await ask('/room', '{"cmd":"room.say","data":{"text":"hi"},"id":1}'))
  assert.deepEqual(said, { id: 1, cmd: 'room.say', data: { heard: 'hi' } })
  const failed = JSON.parse(await ask('/room', '{"cmd":"room.fail","id":2}')) as { error: { code: string } }
  assert.equal(failed.error.code, 'FLT_FORBIDDEN', 'the file and the server share one library')
})

test('/echo sends back every message as it came', async (t) => {
  const { url } = await startFlotilla(t, dev)
  const client = await connect(url, { path: '/echo' })
  t.after(() => client.vanish())
  for (const message of ['text', '{"cmd":"ping"}', Buffer.from([0, 1, 255])]) {
    client.send(message)
    assert.deepEqual(await client.next(), message)
  }
})

test("a user's module replaces the built-in one at the same path", async (t) => {
  const file = await write(
    t,
    'ws.mjs',
    `import { defineModule } from 'flotilla'\nexport const ws = defineModule('/ws', { message: () => 'mine' })`,
  )
  const { url } = await startFlotilla(t, [...dev, '--module', file])
  const client = await connect(url, { uid: 'ann' })
  t.after(() => client.vanish())
  client.send('x')
  assert.equal(await client.next(), 'mine')
})

test('the file that flotilla new module writes runs', async (t) => {
  const cwd = await temporaryFolder(t)
  await flotilla(['new', 'module', 'chat'], { cwd })
  const { url } = await startFlotilla(t, [...dev, '--module', 'chat.ts'], { cwd })
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((uid) => connect(url, { path: '/chat/lobby', uid })))
  t.after(() => Promise.all([ann!.vanish(), bob!.vanish()]))
  ann!.send('{"cmd":"say","data":{"text":"hello"},"id":1}')
  assert.deepEqual(JSON.parse(String(await bob!.next())), { from: 'ann', said: { text: 'hello' } })
  assert.deepEqual(JSON.parse(String(await ann!.next())), { id: 1, cmd: 'say', data: { ok: true } })
})

test('the error of a useless module file names the file', async (t) => {
  const none = await write(t, 'none.mjs', 'export const x = 1')
  const broken = await write(t, 'broken.mjs', 'throw new Error("no luck")')
  const wrong = await write(
    t,
    'wrong.mjs',
    `import { defineModule } from 'flotilla'\nexport default defineModule('no-slash', {})`,
  )
  const twice = await write(
    t,
    'twice.mjs',
    `import { defineModule } from 'flotilla'\nexport const a = defineModule('/a', {})\nexport const b = defineModule('/a', {})`,
  )
  const files: [string, number, RegExp][] = [
    [none, 2, /^--module .*none\.mjs exports no module: export what defineModule/],
    [broken, 1, /broken\.mjs failed while it was loaded: no luck/],
    [wrong, 2, /no-slash/],
    [twice, 2, /two modules have the path '\/a'/],
    [`${none}.missing`, 2, /^--module .*missing: there is no such file/],
  ]
  for (const [file, expected, says] of files) {
    const { code, stderr } = await flotilla(['start', ...dev, '--module', file])
    assert.equal(code, expected, stderr)
    assert.match(stderr, says)
    assert.equal(stderr.indexOf('\n'), stderr.length - 1, 'one line')
  }
})
