import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { LabError } from '../../rig/lab-error.ts'

/** The Debian package of each program. */
const packages = {
  gcc: ['gcc', 'libc6-dev'],
  'redis-server': ['redis-server'],
  'nats-server': ['nats-server'],
  nginx: ['nginx'],
  nchan: ['libnginx-mod-nchan'],
} as const

export type Program = keyof typeof packages

/** The path where Debian installs it; it is a module, not a program. */
export const nchanModule = '/usr/lib/nginx/modules/ngx_nchan_module.so'

/** Installs missing programs if the machine may be changed: in CI or a container as root, or with FLOTILLA_SETUP=1. */
export function providePrograms(programs: readonly Program[]): void {
  const missing = missingOf(programs)
  if (missing.length === 0) return
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing.flatMap((name) => packages[name])]
  if (!mayInstall()) {
    throw new LabError(
      `${missing.join(', ')} missing. Install them, or set FLOTILLA_SETUP=1 to have them installed:\n  sudo apt-get update && sudo ${install.join(' ')}`,
    )
  }
  process.stderr.write(`installing ${missing.join(', ')} …\n`)
  asRoot(['apt-get', 'update'])
  asRoot(install)
}

function missingOf(programs: readonly Program[]): Program[] {
  // Debian puts servers into directories that only root has in its PATH.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  process.env['PATH'] = folders.join(delimiter)
  return programs.filter((program) => {
    if (program === 'nchan') return !existsSync(nchanModule)
    return !folders.some((folder) => isExecutable(join(folder, program)))
  })
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function mayInstall(): boolean {
  const { CI, FLOTILLA_SETUP, container } = process.env
  if (FLOTILLA_SETUP === '1') return true
  const isContainer = isSet(container) || existsSync('/.dockerenv') || existsSync('/run/.containerenv')
  return process.getuid?.() === 0 && (isSet(CI) || isContainer)
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false'].includes(value)
}

function asRoot(command: readonly string[]): void {
  const [program = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', ...command]
  // With RUNLEVEL=1 the packages do not start their services.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const { status } = spawnSync(program, args, { stdio: ['ignore', 2, 2], env })
  if (status !== 0) throw new LabError(`${command.join(' ')} failed`)
}
