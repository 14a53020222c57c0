/** What the clients did, and what went wrong. */
export class Tally {
  visits = 0
  actions = 0
  messages = 0
  /** Sentences and codes, and how often. */
  readonly failures = new Map<string, number>()

  failed(why: string): void {
    this.failures.set(why, (this.failures.get(why) ?? 0) + 1)
  }
}
