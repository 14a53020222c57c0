import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

// The files in docs/testing.md, as they stand there, run by the test runners that they are for.

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const folder = await mkdtemp(join(tmpdir(), 'flotilla-testing-'))

before(async () => {
  const page = await readFile(join(root, 'docs/testing.md'), 'utf8')
  const files = [...page.matchAll(/^```js\n\/\/ (\S+)\n(.*?)^```/gms)]
  assert.equal(files.length, [...page.matchAll(/^```js$/gm)].length, 'every file has its name on the first line')
  for (const [, name = '', text = ''] of files) await writeFile(join(folder, name), text)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await mkdir(join(folder, 'node_modules'))
  await symlink(root, join(folder, 'node_modules/flotilla'))
  for (const name of ['vitest', 'jest']) await symlink(homeOf(name), join(folder, 'node_modules', name))
})
after(() => rm(folder, { recursive: true, force: true }))

test('node:test', async () => {
  assert.match(await run('--test', 'chat.node.test.js', 'nodes.node.test.js'), /pass 5\n(.*\n)*.*fail 0\n/)
})

test('Vitest', async () => {
  assert.match(await run(join(homeOf('vitest'), 'vitest.mjs'), 'run', 'chat.vitest'), /Tests +2 passed/)
})

test('Jest', async () => {
  const program = join(homeOf('jest'), 'bin/jest.js')
  assert.match(await run('--experimental-vm-modules', program, '--watchman=false', 'chat.jest'), /Tests: +2 passed/)
})

function homeOf(name: string): string {
  return dirname(require.resolve(`${name}/package.json`))
}

/** Runs Node.js in the folder, as somebody would who has never heard of this test. Resolves to all that it printed. */
function run(...args: readonly string[]): Promise<string> {
  const foreign = /^(NODE_|npm_|FLOTILLA_|VITEST|JEST|FORCE_COLOR)/
  const inherited = Object.entries(process.env).filter(([name]) => !foreign.test(name))
  const env = { ...Object.fromEntries(inherited), NO_COLOR: '1', CI: '1' }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: folder, env, timeout: 180_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout + stderr)
      else reject(new Error(`${error.message}\n${stdout}`))
    })
  })
}
