import { readFileSync } from 'node:fs'

/** What a process holds of the machine's memory, in bytes: VmRSS, proc(5). */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
