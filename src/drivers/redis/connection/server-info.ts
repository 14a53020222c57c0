import { MisfitError } from './refusal.ts'

/** What a server says of itself (Redis: INFO). What it leaves out is undefined. */
export interface ServerInfo {
  /** No two servers, and no two starts of one, have the same. */
  readonly runId?: string
  /** The history of writes that it has. */
  readonly history?: string
  readonly version?: string
  readonly mode?: string
  readonly evictionPolicy?: string
}

/** As major, minor. */
const OLDEST = [6, 2] as const

export function readInfo(text: unknown): ServerInfo {
  const field = (name: string): string | undefined => new RegExp(`^${name}:([\\w.-]+)`, 'm').exec(String(text))?.[1]
  const found = {
    runId: field('run_id'),
    history: field('master_replid'),
    version: field('redis_version'),
    // Valkey calls it otherwise.
    mode: field('redis_mode') ?? field('server_mode'),
    evictionPolicy: field('maxmemory_policy'),
  }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined))
}

/** Why a server that was found at the given kind of address cannot be used, however long one waits. */
export function misfitOf({ version, mode }: ServerInfo, type: 'single' | 'sentinel' | 'cluster'): Error | undefined {
  if (mode === 'sentinel' && type !== 'sentinel')
    return new MisfitError(
      'this server is a sentinel: write redis+sentinel://HOST:PORT/MASTER_NAME in the URL',
      `mode ${mode}`,
    )
  if (mode === 'cluster' && type !== 'cluster')
    return new MisfitError('this Redis is a member of a cluster: write redis+cluster:// in the URL', `mode ${mode}`)
  if (version !== undefined && isTooOld(version))
    return new MisfitError(
      `this Redis is too old: replace it by version ${OLDEST.join('.')} or newer`,
      `redis_version:${version}`,
    )
  return undefined
}

/** Whether Redis throws keys away once it has used up `maxmemory`. */
export function isEvicting({ evictionPolicy }: ServerInfo): boolean {
  return evictionPolicy !== undefined && evictionPolicy !== 'noeviction'
}

function isTooOld(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? []
  if (minor === undefined) return false
  return Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1])
}
