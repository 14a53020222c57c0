// Compiles src into dist, and copies the files that are not compiled.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const inRoot = (path) => join(root, path)
// Builds in another folder first, so that a program that uses dist sees the old one until the new one is complete. It is
// beside dist, so that the paths in the source maps are right there, too.
const fresh = inRoot(`.dist-${process.pid}`)
process.on('exit', () => rmSync(fresh, { recursive: true, force: true }))

const tsc = [
  inRoot('node_modules/typescript/bin/tsc'),
  '-p',
  'tsconfig.build.json',
  '--noEmitOnError',
  '--outDir',
  fresh,
]
const { status } = spawnSync(process.execPath, tsc, { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
cpSync(inRoot('src/standalone/http/pages'), join(fresh, 'standalone/http/pages'), { recursive: true })
chmodSync(join(fresh, 'standalone/cli.js'), 0o755)
rmSync(inRoot('dist'), { recursive: true, force: true })
renameSync(fresh, inRoot('dist'))
