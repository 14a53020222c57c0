import { readFileSync } from 'node:fs'

/** Linux counts in hundredths of a second here: `USER_HZ`, proc(5). */
const TICKS_PER_SECOND = 100

/** What other processes of the machine use meanwhile: they spoil a measurement. */
export class Bystanders {
  readonly #since = performance.now()
  readonly #ticks = ticksOfOthers()

  /** In cores, once all that this process started has ended. */
  get cores(): number {
    const seconds = (performance.now() - this.#since) / 1000
    return (ticksOfOthers() - this.#ticks) / TICKS_PER_SECOND / seconds
  }
}

function ticksOfOthers(): number {
  // cpu user nice system …
  const [, user, nice, system] = readFileSync('/proc/stat', 'utf8').split(/\s+/).map(Number)
  // utime, stime, cutime and cstime are the 12th to 15th field after the name, which is in parentheses.
  const own = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ').slice(11, 15).map(Number) ?? []
  return (user ?? 0) + (nice ?? 0) + (system ?? 0) - own.reduce((sum, ticks) => sum + ticks, 0)
}
