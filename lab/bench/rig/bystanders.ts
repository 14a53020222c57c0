import { readFileSync } from 'node:fs'

/** The unit of Linux's CPU times, `USER_HZ`: hundredths of a second, proc(5). */
const TICKS_PER_SECOND = 100

/** Measures how much CPU other processes of the machine use meanwhile, because that spoils a measurement. */
export class Bystanders {
  readonly #since = performance.now()
  readonly #ticks = ticksOfOthers()

  /** In cores. Read it when all processes that this one started have ended. */
  get cores(): number {
    const seconds = (performance.now() - this.#since) / 1000
    return (ticksOfOthers() - this.#ticks) / TICKS_PER_SECOND / seconds
  }
}

function ticksOfOthers(): number {
  // cpu user nice system …
  const [, user, nice, system] = readFileSync('/proc/stat', 'utf8').split(/\s+/).map(Number)
  // The 12th to 15th field after the name, which is in parentheses, are utime, stime, cutime and cstime.
  const own = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ').slice(11, 15).map(Number) ?? []
  return (user ?? 0) + (nice ?? 0) + (system ?? 0) - own.reduce((sum, ticks) => sum + ticks, 0)
}
