import type { Options } from './options.ts'
import { provideNpmPackages } from './rig/npm-packages.ts'
import { type Program, providePrograms } from './rig/programs.ts'

/** Installs what the chosen systems need, or says what to install. */
export function provide({ systems }: Options): void {
  const programs: Program[] = ['gcc', 'redis-server']
  if (systems.some(({ kind }) => kind === 'nats')) programs.push('nats-server')
  if (systems.some(({ kind }) => kind.startsWith('nchan'))) programs.push('nginx', 'nchan')
  providePrograms(programs)
  const hasPeers = systems.some(({ needsPackages }) => needsPackages)
  // The progress bar is one of these packages, too.
  if (hasPeers || process.stderr.isTTY) provideNpmPackages()
}
