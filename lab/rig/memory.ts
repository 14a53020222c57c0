import { readFileSync } from 'node:fs'

/** The resident memory of a process in bytes: VmRSS, proc(5). */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
