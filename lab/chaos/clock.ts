/** Milliseconds since the run began, on the monotonic clock of the process that pushes and receives. */
export class Clock {
  readonly #start = performance.now()

  get now(): number {
    return performance.now() - this.#start
  }
}
