import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

// What is published, in the projects of its users: every module system, compiler and test runner that the docs name. The
// package is packed and unpacked; what it depends on is linked from here, so nothing is downloaded.

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'flotilla-packages-'))
const self = join(folder, 'node_modules/flotilla')
let tarball: string

before(async () => {
  assert.ok(existsSync(join(root, 'dist/index.js')), 'dist/ is missing: run npm run build')
  const packed = await run(root, 'npm', ['pack', '--json', '--pack-destination', folder])
  tarball = join(folder, (JSON.parse(packed.stdout) as [{ filename: string }])[0].filename)
  await unpack(self)
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (name.startsWith('.') || name === 'flotilla') continue
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
})
after(() => rm(folder, { recursive: true, force: true }))

/** Uses each entry of the package. It is both an ES module and, compiled, CommonJS. */
const APP = `
import { defineModule, isFlotillaError, memory, type ServerOptions } from 'flotilla'
import { Emitter } from 'flotilla/emitter'
import { redis } from 'flotilla/redis'
import { startTestServer } from 'flotilla/testing'

async function main(): Promise<void> {
  const driver = memory({ isolated: true })
  const chat = defineModule('/chat/:room', { open: (ctx) => ctx.join(ctx.params.room) })
  const options: ServerOptions = { driver, modules: [chat] }
  const server = await startTestServer(options)
  const client = await server.connect('/chat/lobby')
  const emitter = new Emitter({ driver })
  await emitter.push({ group: 'lobby' }, { text: 'hello' })
  console.log(JSON.stringify(await client.nextJson()))
  await emitter.close()
  await server.close()
  try {
    redis({ url: 'http://nowhere' })
  } catch (error) {
    console.log(isFlotillaError(error) && error.code)
  }
}
void main()
`
const PRINTED = '{"text":"hello"}\nFLT_BAD_OPTION\n'

describe('the tarball', () => {
  test('has no link in its pages that leads nowhere', async () => {
    const dead: string[] = []
    for (const page of await filesOf(self, '.md')) {
      const text = await readFile(page, 'utf8')
      const links = [...text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)[^)]*\)|(?:src|href)="(?!\w+:|#)([^"#]+)/g)]
      for (const [, markdown, html] of links) {
        const link = markdown ?? html ?? ''
        if (!existsSync(join(dirname(page), link))) dead.push(`${page.slice(self.length)} links to ${link}`)
      }
    }
    assert.deepEqual(dead, [])
  })

  test('has source maps that carry their sources, under paths inside the package', async () => {
    const maps = await filesOf(join(self, 'dist'), '.js.map')
    assert.ok(maps.length > 100)
    for (const file of maps) {
      const { sources, sourcesContent } = JSON.parse(await readFile(file, 'utf8')) as {
        sources: string[]
        sourcesContent?: string[]
      }
      for (const [index, source] of sources.entries()) {
        assert.ok(resolve(dirname(file), source).startsWith(join(self, 'src/')), `${file}: ${source}`)
        assert.ok((sourcesContent?.[index] ?? '').length > 0, `${file} does not carry ${source}`)
      }
    }
  })

  test('has types for every way to resolve them, and TypeScript refuses CommonJS under node16 alone', async () => {
    const attw = join(root, 'node_modules/.bin/attw')
    const { stdout } = await run(root, attw, [tarball, '--format', 'json'], { mayFail: true })
    const { problems = {} } = JSON.parse(stdout) as { problems?: Record<string, { resolutionKind?: string }[]> }
    assert.deepEqual(Object.keys(problems), ['CJSResolvesToESM'])
    assert.deepEqual(
      new Set(problems['CJSResolvesToESM']?.map((problem) => problem.resolutionKind)),
      new Set(['node16-cjs']),
    )
  })
})

describe('TypeScript', () => {
  for (const [compiler, type, options] of [
    ['typescript', 'module', { module: 'nodenext' }],
    ['typescript', 'commonjs', { module: 'nodenext' }],
    ['typescript', 'module', { module: 'esnext', moduleResolution: 'bundler' }],
    ['typescript-5', 'module', { module: 'node16' }],
    ['typescript-5', 'commonjs', { module: 'node20' }],
    ['typescript-5', 'commonjs', { module: 'commonjs', moduleResolution: 'node10' }],
  ] as const)
    test(`${compiler} compiles a ${type} project with ${JSON.stringify(options)}, and the program runs`, async () => {
      const place = await typescript(`${compiler}-${type}-${Object.values(options).join('-')}`, type, options)
      const compiled = await compile(place, compiler)
      assert.equal(compiled.stdout, '')
      assert.equal((await run(place, process.execPath, ['out/main.js'])).stdout, PRINTED)
    })

  test('under node16, CommonJS gets TS1479 and no other error, as the docs say; the program runs all the same', async () => {
    const place = await typescript('node16-cjs', 'commonjs', { module: 'node16' })
    const { stdout } = await compile(place, 'typescript-5')
    const codes = [...stdout.matchAll(/error (TS\d+)/g)].map(([, code]) => code)
    assert.deepEqual(codes, ['TS1479', 'TS1479', 'TS1479', 'TS1479'])
    assert.equal((await run(place, process.execPath, ['out/main.js'])).stdout, PRINTED)
  })

  function typescript(name: string, type: string, options: object): Promise<string> {
    const compilerOptions = { ...options, target: 'es2022', strict: true, types: ['node'], outDir: 'out', rootDir: '.' }
    return project(name, {
      'package.json': JSON.stringify({ type }),
      'tsconfig.json': JSON.stringify({ compilerOptions, files: ['main.ts'] }),
      'main.ts': APP,
    })
  }

  function compile(place: string, compiler: string): Promise<Output> {
    return run(place, process.execPath, [join(root, 'node_modules', compiler, 'bin/tsc')], { mayFail: true })
  }
})

describe('Node.js', () => {
  test('require() and import give the same package, by every entry', async () => {
    const place = await project('same', {
      'main.cjs': `
        ;(async () => {
          for (const entry of ['', '/redis', '/emitter', '/testing'])
            if (require('flotilla' + entry) !== (await import('flotilla' + entry))) console.log('two of', entry)
          console.log(typeof require('flotilla').createServer)
        })()`,
    })
    assert.equal((await run(place, process.execPath, ['main.cjs'])).stdout, 'function\n')
  })

  test('esbuild bundles a program into one file of CommonJS', async () => {
    const place = await project('bundle', { 'main.ts': APP })
    const flags = ['main.ts', '--bundle', '--platform=node', '--format=cjs', '--outfile=out.cjs', '--log-level=error']
    await run(place, join(root, 'node_modules/.bin/esbuild'), flags)
    assert.equal((await run(place, process.execPath, ['out.cjs'])).stdout, PRINTED)
  })
})

describe('two copies of the package in one process', () => {
  const MODULE = `
    import { defineModule, FlotillaError } from 'flotilla'
    export const guarded = defineModule('/guarded', {
      handshake() { throw new FlotillaError('FLT_FORBIDDEN', 'not you') },
    })
    export const echo = defineModule('/echo', { message: (ctx) => ctx.raw })`
  const SERVER = `
    const server = await startTestServer({ modules: [echo, guarded] })
    const client = await server.connect('/echo')
    client.send('hi')
    console.log(await client.next())
    await server.connect('/guarded').catch((error) => console.log(/403/.test(error.message)))
    await server.close()`

  test('a package of a monorepo with a copy of its own', async () => {
    const place = await project('monorepo', {
      'package.json': '{"type":"module"}',
      'main.js': `
        import { FlotillaError } from 'flotilla'
        import { startTestServer } from 'flotilla/testing'
        import { echo, FlotillaError as other, guarded } from './chat/index.js'
        console.log(FlotillaError === other)
        ${SERVER}`,
      'chat/index.js': `${MODULE}\nexport { FlotillaError }`,
    })
    await unpack(join(place, 'chat/node_modules/flotilla'))
    const { stdout } = await run(place, process.execPath, ['main.js'])
    assert.equal(stdout, 'false\nhi\ntrue\n')
  })

  test('tsx, which compiles what a .ts file of a CommonJS project imports, beside an .mts file', async () => {
    const place = await project('tsx', {
      'package.json': '{"type":"commonjs"}',
      'main.mts': `
        import { startTestServer } from 'flotilla/testing'
        import { echo, guarded } from './modules.ts'
        ${SERVER}`,
      'modules.ts': MODULE,
    })
    const { stdout } = await run(place, join(root, 'node_modules/.bin/tsx'), ['main.mts'])
    assert.equal(stdout, 'hi\ntrue\n')
  })
})

describe('test runners', () => {
  const fromField = createRequire(import.meta.url)
  const body = `
    test('a push arrives', async () => {
      const server = await startTestServer({ modules: [defineModule('/chat', {})] })
      const client = await server.connect('/chat')
      await server.server.cluster.push({ all: true }, 'hello')
      expect(await client.next()).toBe('hello')
      await server.close()
    })`
  const required = `
    const { defineModule } = require('flotilla')
    const { startTestServer } = require('flotilla/testing')
    ${body}`
  const imported = `
    import { defineModule } from 'flotilla'
    import { startTestServer } from 'flotilla/testing'
    ${body}`

  test('Jest in its default mode, with the configuration in the docs', async () => {
    const docs = await readFile(join(root, 'docs/library.md'), 'utf8')
    const [, config = ''] = /^```js\n\/\/ jest\.config\.js\n([\s\S]*?)^```/m.exec(docs) ?? []
    assert.match(config, /@swc\/jest/)
    const place = await project('jest', {
      'package.json': '{}',
      'jest.config.js': config.replace("'@swc/jest'", JSON.stringify(fromField.resolve('@swc/jest'))),
      'chat.test.js': required,
      'imported.test.ts': imported,
    })
    await jest(place)
  })

  test('Jest with ES modules', async () => {
    const place = await project('jest-esm', {
      'package.json': '{"type":"module","jest":{"transform":{}}}',
      'chat.test.js': imported,
    })
    await jest(place, '--experimental-vm-modules')
  })

  test('Vitest, without any configuration', async () => {
    const vitest = join(dirname(fromField.resolve('vitest/package.json')), 'vitest.mjs')
    const place = await project('vitest', {
      'package.json': '{"type":"module"}',
      'chat.test.ts': `import { expect, test } from 'vitest'\n${imported}`,
    })
    await symlink(dirname(fromField.resolve('vitest/package.json')), join(await modulesOf(place), 'vitest'))
    await run(place, process.execPath, [vitest, 'run'])
  })

  async function jest(place: string, ...flags: string[]): Promise<void> {
    const program = join(dirname(fromField.resolve('jest/package.json')), 'bin/jest.js')
    await run(place, process.execPath, [...flags, program, '--watchman=false'])
  }
})

interface Output {
  readonly stdout: string
  readonly stderr: string
}

function run(cwd: string, command: string, args: readonly string[], { mayFail = false } = {}): Promise<Output> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(NODE_|npm_|FLOTILLA_|FORCE_COLOR)/.test(name))
  const env = { ...Object.fromEntries(inherited), NO_COLOR: '1', CI: '1' }
  return new Promise((settle, reject) => {
    execFile(command, args, { cwd, env, timeout: 180_000, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error === null || mayFail) settle({ stdout, stderr })
      else reject(new Error(`${error.message}\n${stdout}`))
    })
  })
}

/** A project whose folder is beneath the installed packages. */
async function project(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const place = join(folder, name)
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(place, file)), { recursive: true })
    await writeFile(join(place, file), text)
  }
  return place
}

async function modulesOf(place: string): Promise<string> {
  const modules = join(place, 'node_modules')
  await mkdir(modules, { recursive: true })
  return modules
}

async function unpack(target: string): Promise<void> {
  await mkdir(target, { recursive: true })
  await run(folder, 'tar', ['-xzf', tarball, '-C', target, '--strip-components=1'])
}

async function filesOf(place: string, ending: string): Promise<string[]> {
  const entries = await readdir(place, { recursive: true })
  return entries.filter((entry) => entry.endsWith(ending)).map((entry) => join(place, entry))
}
