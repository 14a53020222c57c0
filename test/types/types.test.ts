import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const root = join(folder, '../..')
const samples = ['example.ts', 'misuse.ts', 'usage.ts'].map((file) => join(folder, file))
const options = [
  '--noEmit',
  '--strict',
  '--target',
  'es2023',
  '--module',
  'nodenext',
  '--types',
  'node',
  '--skipLibCheck',
]
const lib = ['--lib', 'es2023,esnext.disposable,esnext.decorators']

/** The compiler's complaints about the samples. They import the built package through `exports`, as its users do. */
function complaintsOf(compiler: string, files: readonly string[], ...flags: string[]): Promise<string> {
  const program = join(root, 'node_modules', compiler, 'bin/tsc')
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, ...options, ...lib, ...flags, ...files],
      { cwd: folder },
      (_, stdout, stderr) => resolve(stdout + stderr),
    )
  })
}

for (const [name, compiler, ...ignore] of [
  ['TypeScript 7', 'typescript', '--ignoreConfig'],
  ['TypeScript 5.9', 'typescript-5'],
] as const)
  for (const experimental of ['false', 'true'])
    test(`${name} accepts correct code and refuses misuse, experimentalDecorators ${experimental}`, async () => {
      assert.ok(existsSync(join(root, 'dist/index.d.ts')), 'dist/ is missing: run npm run build')
      assert.equal(await complaintsOf(compiler, samples, '--experimentalDecorators', experimental, ...ignore), '')
    })

test('with exactOptionalPropertyTypes, whatever may be left out may also be undefined', async () => {
  const flags = ['--exactOptionalPropertyTypes', '--ignoreConfig']
  assert.equal(await complaintsOf('typescript', [join(folder, 'undefined.ts')], ...flags), '')
})

test('the published types hold nothing that is marked @internal', async () => {
  const dist = join(root, 'dist')
  const files = await readdir(dist, { recursive: true })
  for (const file of files.filter((name) => name.endsWith('.d.ts'))) {
    assert.doesNotMatch(await readFile(join(dist, file), 'utf8'), /@internal/, file)
  }
  const connection = /export interface Connection<[\s\S]*?\n\}/.exec(
    await readFile(join(dist, 'api.d.ts'), 'utf8'),
  )?.[0]
  assert.match(connection ?? '', /send\(message: Message\): boolean/)
  assert.doesNotMatch(connection ?? '', /isExpelled/)
})
