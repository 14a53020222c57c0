import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createServer, optionTable } from '../../src/index.ts'
import { CliError } from '../../src/standalone/common/cli-error.ts'
import { type FlagValues, loadConfig } from '../../src/standalone/config/config.ts'
import { temporaryFolder } from './flotilla.ts'

const secret = { tokenSecret: 's' }

async function flaw(flags: FlagValues, environment: Record<string, string> = {}): Promise<string> {
  const outcome = await loadConfig(flags, environment).catch((error: unknown) => error)
  assert(outcome instanceof CliError, `nothing was wrong with ${JSON.stringify(flags)}`)
  assert.equal(outcome.exitCode, 2)
  assert(!outcome.message.includes('\n'))
  return outcome.message
}

test('a flag beats the environment, which beats the config file', async (t) => {
  const folder = await temporaryFolder(t)
  const config = join(folder, 'flotilla.json')
  await writeFile(config, JSON.stringify({ port: 1, host: '127.0.0.2', name: 'file', ...secret }))
  const merged = await loadConfig({ config, port: '3' }, { FLOTILLA_PORT: '2', FLOTILLA_HOST: '127.0.0.3' })
  assert.deepEqual(merged.listen, { type: 'tcp', host: '127.0.0.3', port: 3 })
  assert.equal(merged.name, 'file')
})

test('every setting has the default that the help names', async () => {
  const config = await loadConfig(secret, {})
  assert.deepEqual(config.listen, { type: 'tcp', host: '127.0.0.1', port: 18_308 })
  assert.deepEqual(config.store, { type: 'memory', isolated: false })
  assert.equal(config.maxPayload, 1_048_576)
  assert.equal(config.echo, false)
  assert.equal((await loadConfig({ dev: true }, {})).echo, true)
  assert.equal((await loadConfig({ dev: true, echo: false }, {})).echo, false)
})

test('compression is a switch, and a config file may set its threshold', async (t) => {
  assert.equal((await loadConfig({ compression: true, ...secret }, {})).compression, true)
  assert.equal((await loadConfig(secret, { FLOTILLA_COMPRESSION: 'off' })).compression, false)
  const config = join(await temporaryFolder(t), 'flotilla.json')
  await writeFile(config, JSON.stringify({ compression: { threshold: 4096 }, ...secret }))
  assert.deepEqual((await loadConfig({ config }, {})).compression, { threshold: 4096 })
  assert.match(await flaw({ ...secret }, { FLOTILLA_COMPRESSION: '4096' }), /--compression .* takes true, false/)
})

test('an empty environment variable counts as not set', async () => {
  assert.match(await flaw({}, { FLOTILLA_TOKEN_SECRET: '' }), /--token-secret/)
})

test('the environment may name the config file, and a config file may be TypeScript', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'flotilla.config.ts')
  const source = `import { defineModule } from 'flotilla'
const heartbeat: number = 1000
export default { heartbeat, origins: ['https://example.com'], modules: ['./chat.ts', defineModule('/x', {})], tokenSecret: 's' }`
  await writeFile(file, source)
  const config = await loadConfig({}, { FLOTILLA_CONFIG: file })
  assert.equal(config.heartbeat, 1000)
  assert.deepEqual(config.origins, ['https://example.com'])
  assert.equal(config.modules[0], join(folder, 'chat.ts'), 'paths start from the config file')
  assert.equal((config.modules[1] as { path: string }).path, '/x')
})

test('a config file sets the options that have no flag', async (t) => {
  const folder = await temporaryFolder(t)
  const config = join(folder, 'flotilla.json')
  const given = { maxBuffered: 65_536, overflow: 'collapse', maxWaitingBytes: 1_048_576 }
  await writeFile(config, JSON.stringify({ ...given, ...secret }))
  const { maxBuffered, overflow, maxWaitingBytes } = await loadConfig({ config }, {})
  assert.deepEqual({ maxBuffered, overflow, maxWaitingBytes }, given)
  await writeFile(config, JSON.stringify({ overflow: 'drop', ...secret }))
  assert.match(await flaw({ config }), /^"overflow" in .*flotilla\.json takes .*, not "drop"$/)
})

test('--redis implies --driver redis', async () => {
  const config = await loadConfig({ redis: 'redis://10.0.0.5', ...secret }, {})
  assert.deepEqual(config.store, { type: 'redis', url: 'redis://10.0.0.5' })
  const url = 'redis+sentinel://a,b/main'
  const replicated = await loadConfig({ redis: url, ...secret }, { FLOTILLA_DURABILITY: 'replicated' })
  assert.deepEqual(replicated.store, { type: 'redis', url, durability: 'replicated' })
  const flagWins = await loadConfig({ driver: 'memory', ...secret }, { FLOTILLA_REDIS: 'redis://10.0.0.5' })
  assert.deepEqual(flagWins.store, { type: 'memory', isolated: false })
})

const badFlags: [FlagValues, RegExp][] = [
  [{ port: '65536' }, /^--port takes a whole number from 0 to 65535, not "65536"$/],
  [{ port: '' }, /^--port takes/],
  [{ host: '' }, /^--host takes/],
  [{ name: 'a b' }, /^--name takes/],
  [{ driver: 'mysql' }, /^--driver takes memory or redis, not "mysql"$/],
  [{ driver: 'nats' }, /^--driver takes memory or redis; nats comes later$/],
  [{ driver: 'memory', redis: 'redis://h' }, /--driver memory and --redis/],
  [{ durability: 'replicated' }, /^--durability needs --redis/],
  [{ redis: 'redis://h', isolated: true }, /^--isolated needs the memory driver/],
  [{ redis: 'redis://h', durability: 'disk' }, /^--durability takes memory or replicated, not "disk"$/],
  [{ redis: 'redis+kluster://a,b' }, /^--redis takes a URL such as redis:/],
  [{ redis: '127.0.0.1:6379' }, /^--redis takes a URL such as redis:/],
  [{ prefix: '' }, /^--prefix takes/],
  [{ heartbeat: '0' }, /^--heartbeat takes a time in milliseconds, 20 to 3600000/],
  [{ heartbeat: '5000' }, /^--dead-after takes at least three heartbeats, so 15000 or more/],
  [{ deadAfter: '1.5' }, /^--dead-after takes/],
  [{ maxLag: '9999' }, /^--max-lag takes 0, or at least --dead-after, which is 10000, not 9999$/],
  [{ maxLag: '-1' }, /^--max-lag takes a time in milliseconds, at least --dead-after/],
  [{ pingInterval: '-1' }, /^--ping-interval takes/],
  [{ consumers: '0' }, /^--consumers takes/],
  [{ modules: [''] }, /^--module takes/],
  [{ tokenSecret: '' }, /^--token-secret takes/],
  [{ clockTolerance: '600001' }, /^--clock-tolerance takes a time in milliseconds, 0 to 600000/],
  [{ jwks: 'keys.json' }, /^--jwks takes/],
  [{ apiKey: 'two words' }, /^--api-key takes/],
  [{ origins: 'example.com' }, /^--origins takes/],
  [{ origins: 'https://example.com/path' }, /^--origins takes/],
  [{ maxPayload: 'big' }, /^--max-payload takes/],
  [{ trustProxy: 'localhost' }, /^--trust-proxy takes/],
  [{ trustProxy: '010.0.0.0/8' }, /^--trust-proxy takes/],
  [{ trustProxy: 'fe80::1%eth0' }, /^--trust-proxy takes/],
  [{ trustProxy: '10.0.0.0/33' }, /^--trust-proxy takes/],
  [{ logLevel: 'loud' }, /^--log-level takes/],
  [{ connectTimeout: 'soon' }, /^--connect-timeout takes/],
  [{ tlsCert: 'cert.pem' }, /^--tls-cert needs --tls-key/],
  [{ tlsKey: 'key.pem' }, /^--tls-key needs --tls-cert/],
]

test('the error of a bad value names the flag and what it takes', async () => {
  for (const [flags, expected] of badFlags) assert.match(await flaw({ ...secret, ...flags }), expected)
})

test('the error of a bad value names the place where it was given', async (t) => {
  assert.match(await flaw(secret, { FLOTILLA_PORT: 'x' }), /^--port \(from FLOTILLA_PORT\) takes .*, not "x"$/)
  assert.match(await flaw(secret, { FLOTILLA_DEV: 'maybe' }), /^--dev \(from FLOTILLA_DEV\) takes true or false/)
  const config = join(await temporaryFolder(t), 'c.json')
  await writeFile(config, '{"deadAfter": true}')
  assert.match(await flaw({ config, ...secret }), /^--dead-after \("deadAfter" in .*c\.json\) takes .*, not true$/)
  await writeFile(config, '{"prot": 1}')
  assert.match(await flaw({ config, ...secret }), /^"prot" in .*c\.json is not a setting of Flotilla$/)
  await writeFile(config, '{')
  assert.match(await flaw({ config, ...secret }), /^--config .*c\.json is not JSON at line 1, column 2$/)
  assert.match(
    await flaw({ config: `${config}.none`, ...secret }),
    /^--config .*\.none: there is no such file; it takes a \.json, \.js or \.ts file$/,
  )
})

test('a setting takes the same numbers as the option of createServer', async (t) => {
  const values = [0, 1, 9, 10, 19, 20, 59, 60, 100, 1_000, 10_001, 3_600_001, 86_400_001, 2 ** 31, 2 ** 32, 2 ** 40]
  const config = join(await temporaryFolder(t), 'c.json')
  const isSetting = async (given: object): Promise<boolean> => {
    await writeFile(config, JSON.stringify({ ...secret, ...given }))
    return await loadConfig({ config }, {}).then(
      () => true,
      () => false,
    )
  }
  const isOption = (given: object): boolean => {
    try {
      createServer({ modules: [], ...given })
      return true
    } catch {
      return false
    }
  }
  const numbers = Object.entries(optionTable).flatMap(([name, { type }]) => (type === 'number' ? [name] : []))
  assert.ok(numbers.length > 20)
  for (const name of numbers)
    for (const value of values) {
      // Both are far apart, so that only the bounds of the tested option matter.
      const given = { heartbeat: 20, deadAfter: name === 'maxLag' ? 60 : 86_400_000, [name]: value }
      assert.equal(await isSetting(given), isOption(given), `${name} ${value}`)
    }
})

test('a secret is never shown', async () => {
  const message = await flaw({ ...secret, redis: 'http://:hunter2@host' })
  assert(!message.includes('hunter2'))
  assert(!(await flaw({ ...secret, apiKey: 'hunter 2' })).includes('hunter'))
})

test('what is wrong with a config file is told by its place, and never by what it holds', async (t) => {
  const folder = await temporaryFolder(t)
  const told = async (name: string, text: string): Promise<string> => {
    const config = join(folder, name)
    await writeFile(config, text)
    const message = await flaw({ config })
    assert.doesNotMatch(message, /hunter|apiKey/, text)
    return message
  }
  const flaws: [string, string][] = [
    ['', 'line 1, column 1'],
    ['{"apiKey":"hunter2"', 'line 1, column 20'],
    ['{\n  "apiKey": "hunter2",\n}', 'line 3, column 1'],
    ['{\n  "apiKey": hunter2\n}', 'line 2, column 13'],
    ['{"apiKey":"hunter2"} hunter2', 'line 1, column 22'],
    ['{"apiKey":"hunter2\n"}', 'line 1, column 11'],
    ["{'apiKey':'hunter2'}", 'line 1, column 2'],
    ['{"a":[1,{"b":[]},"hunter2" "x"]}', 'line 1, column 28'],
    ['{"a":{},"b":01}', 'line 1, column 14'],
    ['['.repeat(200_000), 'line 1, column 200001'],
  ]
  for (const [text, place] of flaws) assert((await told('c.json', text)).endsWith(`is not JSON at ${place}`), text)
  assert.match(
    await told('a.ts', "export default {\n  apiKey: 'hunter2',,\n}"),
    /a\.ts fails at line 2: it cannot be parsed$/,
  )
  assert.match(
    await told('b.mjs', "\nthrow new TypeError('no hunter2')"),
    /b\.mjs fails at line 2: it throws a TypeError/,
  )
  assert.match(await told('d.mjs', "throw 'hunter2'"), /d\.mjs fails: it throws something that is not an error$/)
  assert.match(
    await told('e.mjs', '\nexport default JSON.parse(\'{"apiKey":hunter2}\')'),
    /at line 2: it throws a SyntaxError/,
  )
  const read = "import { readFileSync } from 'node:fs'\nexport default { apiKey: readFileSync('/nowhere/key', 'utf8') }"
  assert.match(await told('f.mjs', read), /f\.mjs fails at line 2: ENOENT.*\/nowhere\/key/)
  assert.match(await told('g.mjs', "import 'not-there'\nexport default {}"), /Cannot find module 'not-there'$/)
  const misplaced = { compression: { apiKey: 'hunter2' }, origins: ['x', { apiKey: 'hunter2' }], host: ['hunter2'] }
  for (const [name, value] of Object.entries(misplaced)) await told('m.json', JSON.stringify({ [name]: value }))
  assert.match(await told('u.json', '{"key":"hunter2"}'), /^"key" in .* is not a setting of Flotilla$/)
  assert.match(
    await told('o.json', '{"origins":"https://ann:hunter2@example.com"}'),
    /not "https:\/\/\*\*\*@example\.com"$/,
  )
  assert.doesNotMatch(await flaw({ jwks: 'ftp://ann:hunter2@host' }), /hunter/)
  for (const key of ['tlsCert', 'tlsKey'] as const) {
    assert.match(await flaw({ ...secret, [key]: '-----BEGIN PRIVATE KEY-----hunter2' }), /takes the path of a file$/)
  }
})

test('without --dev, exactly one source of tokens is required', async () => {
  assert.match(await flaw({}), /--token-secret, the secret .*--jwks/)
  const jwks = 'https://id.example/keys'
  assert.match(await flaw({ jwks }), /^--jwks needs --token-issuer/)
  assert.match(await flaw({ jwks, tokenIssuer: 'i' }), /^--jwks needs --token-audience/)
  for (const unused of [{ tokenIssuer: 'i' }, { tokenAudience: 'a' }, { groupsClaim: 'g' }])
    assert.match(await flaw({ dev: true, ...unused }), /^--[a-z-]+ needs --token-secret or --jwks/)
  assert.match(await flaw({ jwks, tokenIssuer: 'i', tokenAudience: 'a', ...secret }), /cannot be used together/)
  const { tokens } = await loadConfig({ jwks, tokenIssuer: 'i', tokenAudience: 'a' }, {})
  assert.deepEqual(tokens, { type: 'jwks', jwks, issuer: 'i', audience: 'a' })
  const bySecret = await loadConfig({ ...secret, tokenIssuer: 'i' }, { FLOTILLA_TOKEN_AUDIENCE: 'a' })
  assert.deepEqual(bySecret.tokens, { type: 'secret', secret: 's', issuer: 'i', audience: 'a' })
  assert.deepEqual((await loadConfig(secret, {})).tokens, { type: 'secret', secret: 's' })
})

test('if a Unix socket and an address are both given, the one from the stronger source counts', async () => {
  const unix = { type: 'unix', path: '/tmp/f.sock' }
  const listen = async (flags: FlagValues, environment = {}) =>
    (await loadConfig({ ...secret, ...flags }, environment)).listen
  assert.deepEqual(await listen({ unix: unix.path }, { FLOTILLA_PORT: '1' }), unix)
  assert.deepEqual(await listen({ port: '1' }, { FLOTILLA_UNIX: unix.path }), {
    type: 'tcp',
    host: '127.0.0.1',
    port: 1,
  })
  assert.match(await flaw({ ...secret, unix: unix.path, port: '1' }), /^--unix and --port cannot be used together/)
  assert.match(await flaw({ ...secret, unix: unix.path, host: '::1' }), /^--unix and --host cannot be used together/)
})

test('a limit by address is refused with a Unix socket, whose clients have no address', async () => {
  const unix = { ...secret, unix: '/tmp/f.sock' }
  assert.match(await flaw({ ...unix, maxConnectionsPerIp: '1' }), /^--max-connections-per-ip has no effect with --unix/)
  assert.match(await flaw({ ...unix, trustProxy: '10.0.0.1' }), /^--trust-proxy has no effect with --unix/)
  assert.equal((await loadConfig({ ...unix, maxConnectionsPerIp: '0' }, {})).listen.type, 'unix')
})

test('--dev stays on this machine', async () => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.com', 'localhost.example.com']) {
    assert.match(await flaw({ dev: true, host }), /--host takes a loopback address/)
  }
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost']) {
    assert.equal((await loadConfig({ dev: true, host }, {})).dev, true)
  }
})
