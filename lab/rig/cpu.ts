import { readFileSync } from 'node:fs'

/** The unit of Linux's CPU times, `USER_HZ`: hundredths of a second, proc(5). */
const TICKS_PER_SECOND = 100

/** The share of a core that one process uses. */
export class Cpu {
  readonly #pid: number
  #ticks = 0
  #since = 0

  constructor(pid: number) {
    this.#pid = pid
  }

  begin(): void {
    this.#ticks = this.#read()
    this.#since = performance.now()
  }

  /** The share since `begin()`; 1 is a whole core. */
  get share(): number {
    return this.seconds / ((performance.now() - this.#since) / 1000)
  }

  /** CPU time since `begin()`. */
  get seconds(): number {
    return (this.#read() - this.#ticks) / TICKS_PER_SECOND
  }

  #read(): number {
    // The name in parentheses may contain spaces. utime and stime are the 12th and 13th field after it.
    const fields = readFileSync(`/proc/${this.#pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return Number(fields[11]) + Number(fields[12])
  }
}
