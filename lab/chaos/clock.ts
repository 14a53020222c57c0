/** Milliseconds since the run began, by the monotonic clock of the one process that pushes and receives. */
export class Clock {
  readonly #start = performance.now()

  get now(): number {
    return performance.now() - this.#start
  }
}
