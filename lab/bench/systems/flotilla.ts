import { fileURLToPath } from 'node:url'
import { redisSystem } from './redis-system.ts'
import type { System } from './system.ts'

const built = fileURLToPath(new URL('../../../dist', import.meta.url))

/** This build, or another build of the package, such as the one before a change. */
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
