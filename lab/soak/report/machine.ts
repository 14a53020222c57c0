import { spawnSync } from 'node:child_process'
import { cpus, release } from 'node:os'

/** What it ran on. */
export function machineLine(): string {
  const redis = /v=(\S+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]
  return [
    `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores`,
    `Linux ${release().split('-')[0]}`,
    `Node.js ${process.versions.node}`,
    `Redis ${redis ?? 'unknown'}`,
    new Date().toISOString().slice(0, 10),
  ].join(' · ')
}
