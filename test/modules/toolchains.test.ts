import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { transform as swc } from '@swc/core'
import { transform as esbuild } from 'esbuild'
import { check, type Decorated } from './check-decorated.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const decorators = new URL('../../src/modules/decorators.ts', import.meta.url).href
const checker = fileURLToPath(new URL('check-decorated.ts', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'flotilla-toolchains-'))
let source: string

before(async () => {
  const fixture = await readFile(join(root, 'test/fixtures/decorated.ts'), 'utf8')
  source = fixture.replace("'FLOTILLA'", `'${decorators}'`)
})
after(() => rm(folder, { recursive: true }))

for (const experimental of [false, true]) {
  describe(experimental ? 'with experimentalDecorators' : 'with standard decorators', () => {
    test('tsc', async () => check(await byTsc('typescript', experimental)))
    test('tsc 5.9', async () => check(await byTsc('typescript-5', experimental)))
    test('esbuild', async () => check(await byEsbuild(experimental)))
    test('swc', async () => check(await bySwc(experimental)))
    test('tsx', () => byTsx(experimental))
  })
}

async function byTsc(compiler: string, experimentalDecorators: boolean): Promise<Decorated> {
  const name = `${compiler}-${experimentalDecorators}`
  const compilerOptions = {
    target: 'es2022',
    module: 'esnext',
    noCheck: true,
    experimentalDecorators,
    outDir: name,
    rootDir: '.',
    types: [],
  }
  await writeFile(join(folder, `${name}.ts`), source)
  await writeFile(join(folder, `${name}.json`), JSON.stringify({ compilerOptions, files: [`${name}.ts`] }))
  await run(process.execPath, [join(root, 'node_modules', compiler, 'bin/tsc'), '-p', join(folder, `${name}.json`)])
  return load(await readFile(join(folder, name, `${name}.js`), 'utf8'), name)
}

async function byEsbuild(experimentalDecorators: boolean): Promise<Decorated> {
  const tsconfigRaw = { compilerOptions: { experimentalDecorators } }
  const { code } = await esbuild(source, { loader: 'ts', target: 'node20', tsconfigRaw })
  return load(code, `esbuild-${experimentalDecorators}`)
}

async function bySwc(legacy: boolean): Promise<Decorated> {
  const { code } = await swc(source, {
    filename: 'decorated.ts',
    configFile: false,
    swcrc: false,
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: legacy ? { legacyDecorator: true } : { decoratorVersion: '2022-03' },
    },
  })
  return load(code, `swc-${legacy}`)
}

/** tsx compiles the files that a process imports. The tsconfig in its environment says which decorators to use. */
async function byTsx(experimentalDecorators: boolean): Promise<void> {
  const name = `tsx-${experimentalDecorators}`
  const tsconfig = join(folder, `${name}.json`)
  const file = join(folder, `${name}.mts`)
  await writeFile(tsconfig, JSON.stringify({ compilerOptions: { experimentalDecorators } }))
  await writeFile(file, source)
  const env = { ...process.env, TSX_TSCONFIG_PATH: tsconfig }
  const { stdout } = await run(process.execPath, ['--import', 'tsx', checker, pathToFileURL(file).href], {
    cwd: root,
    env,
  })
  assert.equal(stdout, 'checked\n')
}

async function load(code: string, name: string): Promise<Decorated> {
  // Node does not understand decorators, so the compiler must not leave any.
  assert.doesNotMatch(code, /^\s*@\w/m)
  const file = join(folder, `${name}.mjs`)
  await writeFile(file, code)
  return (await import(pathToFileURL(file).href)) as Decorated
}
