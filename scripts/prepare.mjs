// Installs the packages and builds, for `npm start` and `npm test`. It uses no package, because none may be installed.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

export function prepare() {
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Flotilla needs Node.js 20.19 or later; this is ${process.versions.node}`)
  }
  if (!isInstalled()) run('installing packages', ...npm('ci', '--include=dev', '--no-audit', '--no-fund'))
  if (!isBuilt()) run('building', process.execPath, [join(root, 'scripts/build.mjs')])
}

/** Whether the installed packages are those of the lock file, of which npm leaves a copy in node_modules. */
function isInstalled() {
  return timeOf('node_modules/.package-lock.json') >= timeOf('package-lock.json')
}

function isBuilt() {
  const sources = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'scripts/build.mjs', ...filesIn('src')]
  return timeOf('dist/standalone/cli.js') > Math.max(...sources.map(timeOf))
}

export function filesIn(folder) {
  const entries = readdirSync(join(root, folder), { withFileTypes: true })
  return entries.flatMap((entry) => {
    if (entry.name === 'node_modules') return []
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? filesIn(path) : [path]
  })
}

export function timeOf(path) {
  const file = join(root, path)
  return existsSync(file) ? statSync(file).mtimeMs : 0
}

/** The command of the npm that runs this script, or of any npm. */
export function npm(...args) {
  const own = process.env['npm_execpath']
  return own?.endsWith('.js') ? [process.execPath, [own, ...args]] : ['npm', args]
}

/** The output of these commands goes to stderr, because stdout belongs to the server or the tests. */
export function run(what, command, args, cwd = root) {
  process.stderr.write(`${what} …\n`)
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] })
  if (status !== 0) fail(`${what} failed${error === undefined ? '' : `: ${error.message}`}`)
}

export function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
