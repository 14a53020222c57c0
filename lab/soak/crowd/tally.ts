/** Counts what the clients did and what went wrong. */
export class Tally {
  visits = 0
  actions = 0
  messages = 0
  /** How often each error occurred, by its text or code. */
  readonly failures = new Map<string, number>()

  failed(why: string): void {
    this.failures.set(why, (this.failures.get(why) ?? 0) + 1)
  }
}
