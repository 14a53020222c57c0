// npm test: installs and builds what is missing, then runs every test, or those that the arguments after `--` name.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { provideDebianPackages } from './debian-packages.mjs'
import { filesIn, prepare, root } from './prepare.mjs'

prepare()
provideDebianPackages()

const args = process.argv.slice(2)
const isFile = (arg) => !arg.startsWith('-') && existsSync(join(root, arg))
const named = args.filter(isFile)
const files = named.length > 0 ? named : filesIn('test').filter((file) => file.endsWith('.test.ts'))
const options = [
  '--import',
  './scripts/typescript.mjs',
  '--test',
  '--test-reporter=spec',
  '--test-concurrency=6',
  '--test-timeout=1200000',
]
const child = spawn(process.execPath, [...options, ...args.filter((arg) => !isFile(arg)), ...files], {
  cwd: root,
  stdio: 'inherit',
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => process.exit(code ?? 1))
