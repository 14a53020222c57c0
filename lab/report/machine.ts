import { spawnSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { canPin } from '../rig/cores.ts'

const GIB = 2 ** 30
const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The machine and the versions that figures belong to. `peers` are the systems measured beside Flotilla, each with its
 * version.
 */
export function machineLine(peers: readonly string[] = []): string {
  const parts = [
    `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, ${Math.round(totalmem() / GIB)} GiB`,
    `Linux ${release().split('-')[0]}`,
    `Node.js ${process.versions.node}`,
    `Redis ${versionOf('redis-server', ['-v'], /v=(\S+)/)}`,
    ...peers,
    `Flotilla ${commit()}`,
    new Date().toISOString().slice(0, 10),
  ]
  return `${parts.join(' · ')}${canPin ? '' : ' · not pinned to cores'}`
}

/** The first group of the pattern in what a program prints about itself. */
export function versionOf(program: string, args: readonly string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return pattern.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1] ?? 'none'
}

function commit(): string {
  const git = (...args: string[]): string => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout ?? ''
  const hash = git('rev-parse', '--short', 'HEAD').trim()
  return git('status', '--porcelain', 'src').trim() === '' ? hash : `${hash} and changes`
}
