import { redisSystem } from './redis-system.ts'

/** No system, but the floor under those that go over Redis: one XADD, and the XREAD that it wakes. */
export const hop = redisSystem({
  id: 'hop',
  role: 'control',
  needsPackages: false,
  label: 'bare XADD → XREAD',
  greeting: { path: '/' },
  script: 'hop',
  settings: {},
})
