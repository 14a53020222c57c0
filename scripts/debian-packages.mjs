// Installs the Debian packages that the tests need, but only if that surprises nobody: as root in CI or in a container,
// or if FLOTILLA_SETUP=1 asks for it. Otherwise it says which are missing.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fail } from './prepare.mjs'

/** Pairs of a package and its program, or a path that it installs. */
export const packagesOfTests = [
  ['redis-server', 'redis-server'],
  ['chromium', 'chromium'],
  ['openssl', 'openssl'],
]
export const packagesOfField = [
  ['nginx', 'nginx'],
  ['haproxy', 'haproxy'],
  ['systemd', 'systemd-analyze'],
  ['curl', 'curl'],
  ['php-cli', 'php'],
  ['python3', '/usr/bin/python3'],
  ['zsh', 'zsh'],
  ['fish', 'fish'],
]

/** @param command what its user has run */
export function provideDebianPackages(command, needed) {
  const missing = missingPackages(needed)
  if (missing.length === 0) return
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing]
  if (!mayInstall()) {
    fail(
      `The tests need Debian packages. Install them, or let FLOTILLA_SETUP=1 ${command} do it:\n  sudo apt-get update && sudo ${install.join(' ')}`,
    )
  }
  process.stderr.write(`installing ${missing.join(', ')} …\n`)
  asRoot(['apt-get', 'update'])
  asRoot(install)
  const still = missingPackages(needed)
  if (still.length > 0) fail(`apt-get did not install ${still.join(', ')}`)
}

function missingPackages(needed) {
  return needed.filter(([, sign]) => !isThere(sign)).map(([name]) => name)
}

function isThere(sign) {
  return sign.startsWith('/') ? existsSync(sign) : isOnPath(sign)
}

function isOnPath(program) {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => isExecutable(join(folder, program)))
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function mayInstall() {
  if (process.env['FLOTILLA_SETUP'] === '1') return true
  return isRoot() && (isSet(process.env['CI']) || isContainer())
}

function isSet(value) {
  return value !== undefined && !['', '0', 'false'].includes(value)
}

function isRoot() {
  return process.getuid?.() === 0
}

function isContainer() {
  if (isSet(process.env['container'])) return true
  if (existsSync('/.dockerenv') || existsSync('/run/.containerenv')) return true
  try {
    return /docker|kubepods|containerd|lxc|podman/.test(readFileSync('/proc/1/cgroup', 'utf8'))
  } catch {
    return false
  }
}

function asRoot(command) {
  const [program, ...args] = isRoot() ? command : ['sudo', ...command]
  // RUNLEVEL=1 keeps apt-get from starting services: the tests start their own, on their own ports.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2], env })
  if (status !== 0) fail(`${command.join(' ')} failed${error === undefined ? '' : `: ${error.message}`}`)
}
