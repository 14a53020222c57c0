import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** The process under test has a core of its own; the store, the publishers and the load client share another. */
export type Core = 'subject' | 'rest'

const numbers: Record<Core, string> = { subject: '0', rest: '1' }

export const canPin = availableParallelism() >= 2 && spawnSync('taskset', ['-V']).status === 0

/** The same command, pinned to its core. */
export function pinned(core: Core, command: string, args: readonly string[]): [string, string[]] {
  return canPin ? ['taskset', ['-c', numbers[core], command, ...args]] : [command, [...args]]
}

/** Moves this process, with all its threads, off the core of the process under test. */
export function pinSelf(): void {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', numbers.rest, String(process.pid)])
}
