import { redisSystem } from './redis-system.ts'

/** Not a system but a lower bound for systems that use Redis: one XADD, and the XREAD that it wakes. */
export const hop = redisSystem({
  id: 'hop',
  role: 'control',
  needsPackages: false,
  label: 'bare XADD → XREAD',
  greeting: { path: '/' },
  script: 'hop',
  settings: {},
})
