export type PromiseName = 'lost' | 'repeated' | 'order' | 'misdelivered' | 'ghosts' | 'service' | 'behind'

/** What a promise came to. */
export interface Finding {
  readonly promise: PromiseName
  /** What was looked at, so that "none broken" means something: `12,345 copies`. */
  readonly checked: string
  readonly violations: readonly Violation[]
  /** What did not count as broken, and why: how often. Nothing is let off unsaid. */
  readonly exempt: ReadonlyMap<string, number>
  readonly notes: readonly string[]
}

export interface Violation {
  readonly at: number
  readonly what: string
  readonly push: number | undefined
  /** Another push that it has to do with. */
  readonly other?: number
  /** Whose story a person has to read. */
  readonly connections: readonly number[]
  readonly uids: readonly string[]
}

export interface Verdict {
  readonly findings: readonly Finding[]
  readonly isKept: boolean
}

/** Collects what one promise comes to. */
export class FindingBook {
  readonly violations: Violation[] = []
  readonly exempt = new Map<string, number>()
  readonly notes: string[] = []
  checkedCount = 0

  violate(violation: Violation): void {
    this.violations.push(violation)
  }

  exempted(why: string): void {
    this.exempt.set(why, (this.exempt.get(why) ?? 0) + 1)
  }

  finding(promise: PromiseName, unit: string): Finding {
    const { violations, exempt, notes, checkedCount } = this
    const checked = `${checkedCount.toLocaleString('en')} ${unit}`
    return { promise, checked, violations: violations.toSorted((a, b) => a.at - b.at), exempt, notes }
  }
}
