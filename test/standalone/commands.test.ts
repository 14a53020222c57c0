import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeJwt, jwtVerify } from 'jose'
import { freePort } from '../support/free-port.ts'
import { flotilla, temporaryFolder } from './flotilla.ts'

test('every command prints its help on stdout', async () => {
  const commands = ['', 'start', 'stop', 'restart', 'status', 'push', 'token', 'new', 'new module', 'completion']
  await Promise.all(
    commands.map(async (command) => {
      const { code, stdout, stderr } = await flotilla([...command.split(' ').filter(Boolean), '--help'])
      assert.deepEqual([code, stderr], [0, ''], command)
      assert.match(stdout, new RegExp(`Usage: flotilla ${command}`.trim()))
    }),
  )
})

test('a wrong command line ends with one line on stderr and exit code 2', async () => {
  const lines: [string[], RegExp][] = [
    [['strat'], /unknown command 'strat'.*start/],
    [['start', '--prot', '1'], /unknown option '--prot'.*--port/],
    [['start', '--port'], /^--port takes a whole number/],
    [['start', '--port', 'x'], /^--port takes a whole number/],
    [['start'], /give --token-secret, the secret/],
    [['start', '--dev', 'now'], /too many arguments/],
    [['token', '--token-secret', 's'], /^--uid takes/],
    [['token', '--uid', 'u'], /^--token-secret takes .*FLOTILLA_TOKEN_SECRET/],
    [['token', '--uid', 'u'.repeat(256), '--token-secret', 's'], /^--uid takes .* 255 bytes/],
    [['token', '--uid', 'u', '--token-secret', 's', '--expires', 'soon'], /^--expires takes .*, not "soon"/],
    [['token', '--uid', 'u', '--token-secret', 's', '--groups', 'a,,b'], /^--groups takes/],
    [['token', '--uid', 'u', '--token-secret', 's', '--groups-claim', 'g'], /^--groups-claim needs --groups/],
    [['push', 'hello'], /exactly one kind of target/],
    [['push', 'hello', '--all', '--uid', 'u'], /exactly one kind of target/],
    [['push', '{', '--all', '--json'], /^the message is not JSON at line 1, column 2, but --json takes/],
    [['push', 'hello', '--all', '--url', 'localhost'], /^--url takes/],
    [['push', 'hello', '--all', '--url', 'data:,hello'], /^--url takes/],
    [['new', 'module', 'Chat!'], /^NAME takes/],
    [['stop', '--timeout', 'x'], /^--timeout takes/],
    [['completion'], /^SHELL is missing: --help shows/],
    [['completion', 'tcsh'], /^SHELL takes bash, zsh or fish, not "tcsh"/],
  ]
  await Promise.all(
    lines.map(async ([args, expected]) => {
      const { code, stdout, stderr } = await flotilla(args)
      assert.deepEqual([code, stdout], [2, ''], args.join(' '))
      assert.match(stderr, expected)
      assert.equal(stderr.indexOf('\n'), stderr.length - 1, 'one line')
    }),
  )
})

test('what may be a secret is in no help and in no message', async () => {
  const env = { FLOTILLA_API_KEY: 'hunter2', FLOTILLA_TOKEN_SECRET: 'hunter2', FLOTILLA_REDIS: 'redis://:hunter2@h' }
  const lines = [
    ...['', 'start', 'restart', 'status', 'push', 'token'].map((command) => [
      ...command.split(' ').filter(Boolean),
      '--help',
    ]),
    ['start', '--tokn-secret=hunter2'],
    ['start', '--dev', 'hunter2'],
    ['push', '{"password":hunter2}', '--all', '--json'],
    ['push', 'hello', '--all', '--url', 'http://ann:hunter2@127.0.0.1:1'],
    ['push', 'hello', '--all', '--url', 'ann:hunter2@127.0.0.1'],
  ]
  await Promise.all(
    lines.map(async (args) => {
      const { stdout, stderr } = await flotilla(args, { env })
      assert(stdout.length + stderr.length > 0)
      assert.doesNotMatch(stdout + stderr, /hunter/, args.join(' '))
    }),
  )
})

test('token signs a token with the claims and the expiry that were asked for', async () => {
  const env = { FLOTILLA_TOKEN_SECRET: 'ö'.repeat(20) }
  const { code, stdout, stderr } = await flotilla(
    ['token', '--uid', 'ann', '--groups', 'red, blue', '--expires', '15m'],
    { env },
  )
  assert.deepEqual([code, stderr], [0, ''])
  const key = new TextEncoder().encode(env.FLOTILLA_TOKEN_SECRET)
  const { payload, protectedHeader } = await jwtVerify(stdout.trim(), key)
  assert.equal(protectedHeader.alg, 'HS256')
  assert.deepEqual([payload.sub, payload['groups']], ['ann', ['red', 'blue']])
  assert.equal(payload.exp! - payload.iat!, 900)
})

test('token warns of a secret that is shorter than the hash, and prints the token all the same', async () => {
  const warned = await flotilla(['token', '--uid', 'ann', '--token-secret', 'x'.repeat(31)])
  assert.equal(warned.code, 0)
  assert.match(warned.stderr, /^warning: the secret has only 31 bytes, .*openssl rand -hex 32" prints\n$/)
  assert.equal(decodeJwt(warned.stdout.trim()).sub, 'ann')
  assert.equal((await flotilla(['token', '--uid', 'ann', '--token-secret', 'x'.repeat(32)])).stderr, '')
})

test('token puts groups into the claim that --groups-claim names', async () => {
  const args = ['token', '--uid', 'ann', '--groups', 'red', '--groups-claim', 'teams', '--token-secret', 's']
  const { stdout } = await flotilla(args)
  const { teams, groups } = decodeJwt(stdout.trim())
  assert.deepEqual([teams, groups], [['red'], undefined])
})

test('a push to a server that is not there says so, and ends with exit code 1', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  const { code, stderr } = await flotilla(['push', '--all', 'hello', '--url', url])
  assert.equal(code, 1)
  assert.match(stderr, /^nothing listens at .*ECONNREFUSED.*--url right\?\n$/)
})

test('new module writes a file, and never overwrites one', async (t) => {
  const cwd = await temporaryFolder(t)
  const { code, stdout } = await flotilla(['new', 'module', 'team-chat'], { cwd })
  assert.equal(code, 0)
  assert.match(stdout, /flotilla start --dev --module team-chat\.ts/)
  assert.match(
    await readFile(join(cwd, 'team-chat.ts'), 'utf8'),
    /export const teamChat = defineModule\('\/team-chat\/:room'/,
  )
  await writeFile(join(cwd, 'team-chat.ts'), 'mine')
  const again = await flotilla(['new', 'module', 'team-chat'], { cwd })
  assert.equal(again.code, 1)
  assert.match(again.stderr, /team-chat\.ts exists already/)
  assert.equal(await readFile(join(cwd, 'team-chat.ts'), 'utf8'), 'mine')
})
