// Packs the package, installs it in an empty folder, and uses it as a newcomer would.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'flotilla-package-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const { name, exports, repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const subpaths = Object.keys(exports).filter((path) => path !== './package.json')
const modules = subpaths.map((path) => path.replace('.', name))

const tarball = pack()
// CommonJS under `node16` is the one thing that TypeScript refuses: docs/library.md says what to do.
run(root, 'node_modules/.bin/attw', tarball, '--ignore-rules', 'cjs-resolves-to-esm')
writeFileSync(join(folder, 'package.json'), '{ "private": true }')
run(folder, 'npm', 'install', '--no-audit', '--no-fund', tarball)
for (const module of modules) {
  run(folder, process.execPath, '--input-type=module', '-e', `await import('${module}')`)
  run(folder, process.execPath, '--input-type=commonjs', '-e', `require('${module}')`)
}
await startPushStop()
process.stdout.write(`the package works: ${modules.join(', ')}, and its command\n`)
if (repository === undefined) {
  process.stdout.write(
    'package.json names no repository, because only its publisher knows where it will be: before npm publish, run\n' +
      '  npm pkg set repository=URL\n',
  )
}

function pack() {
  const [packed] = JSON.parse(run(root, 'npm', 'pack', '--json', '--pack-destination', folder))
  process.stdout.write(`${packed.filename}: ${packed.entryCount} files, ${packed.unpackedSize} bytes\n`)
  return join(folder, packed.filename)
}

async function startPushStop() {
  // Not through npx, because npx has an exit code of its own.
  const bin = join(folder, 'node_modules/.bin', name)
  const server = spawn(bin, ['start', '--dev', '--port=0'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(server, 'exit')
  const [line] = await Promise.race([once(createInterface(server.stdout), 'line'), exited])
  const url = /^ready node=\S+ url=(\S+)$/.exec(line)?.[1]
  if (url === undefined) throw new Error(`the server printed no ready line but: ${line}`)
  process.stdout.write(run(folder, 'npx', '--no-install', name, 'push', '--all', 'hello', '--url', url))
  server.kill('SIGINT')
  const [code, signal] = await exited
  if (code !== 0) throw new Error(`the server ended with ${code ?? signal} instead of 0`)
}

function run(cwd, command, ...args) {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}
