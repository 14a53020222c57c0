import { fileURLToPath } from 'node:url'
import { redisSystem } from './redis-system.ts'
import type { System } from './system.ts'

const built = fileURLToPath(new URL('../../../dist', import.meta.url))

/** This package, or another build of it: the one before a change, for example. */
export function flotilla({ id = 'flotilla', label = 'Flotilla', folder = built } = {}): System {
  return redisSystem({
    id,
    kind: 'flotilla',
    role: 'ours',
    needsPackages: false,
    label,
    greeting: { path: '/ws?uid=u%d' },
    script: 'flotilla',
    settings: { package: folder },
  })
}
