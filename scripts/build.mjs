// Compiles src into dist, and copies what no compiler touches.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const inRoot = (path) => join(root, path)

rmSync(inRoot('dist'), { recursive: true, force: true })
const tsc = [inRoot('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--noEmitOnError']
const { status } = spawnSync(process.execPath, tsc, { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
cpSync(inRoot('src/standalone/pages'), inRoot('dist/standalone/pages'), { recursive: true })
chmodSync(inRoot('dist/standalone/cli.js'), 0o755)
