import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { canPin } from '../rig/cores.ts'

const GIB = 2 ** 30
const root = fileURLToPath(new URL('../../..', import.meta.url))

/** What the figures were measured on, and of what. */
export function machineLine(): string {
  const parts = [
    `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, ${Math.round(totalmem() / GIB)} GiB`,
    `Linux ${release().split('-')[0]}`,
    `Node.js ${process.versions.node}`,
    `Redis ${versionOf('redis-server', /v=(\S+)/)}`,
    `NATS ${versionOf('nats-server', /: v(\S+)/)}`,
    `ws ${packageVersion('ws')}`,
    `Socket.IO ${packageVersion('socket.io')}`,
    `Flotilla ${commit()}`,
    new Date().toISOString().slice(0, 10),
  ]
  return `${parts.join(' · ')}${canPin ? '' : ' · not pinned to cores'}`
}

function versionOf(program: string, pattern: RegExp): string {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return pattern.exec(stdout ?? '')?.[1] ?? 'none'
}

function packageVersion(name: string): string {
  const places = [`../node_modules/${name}/package.json`, `../../../node_modules/${name}/package.json`]
  const file = places.map((place) => new URL(place, import.meta.url)).find((place) => existsSync(place))
  return file === undefined ? 'none' : (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function commit(): string {
  const git = (...args: string[]): string => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout ?? ''
  const hash = git('rev-parse', '--short', 'HEAD').trim()
  return git('status', '--porcelain', 'src').trim() === '' ? hash : `${hash} and changes`
}
