import { readFileSync } from 'node:fs'

/** The processes that a process has started and that still run: proc(5). */
export function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return list.split(' ').filter(Boolean).map(Number)
}
