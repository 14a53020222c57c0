export type PromiseName = 'lost' | 'repeated' | 'order' | 'misdelivered' | 'ghosts' | 'service' | 'behind'

/** The result of checking one promise. */
export interface Finding {
  readonly promise: PromiseName
  /** How much was checked, so that "none broken" means something: `12,345 copies`. */
  readonly checked: string
  readonly violations: readonly Violation[]
  /** How often each excuse was accepted. Every violation that does not count is listed here. */
  readonly exempt: ReadonlyMap<string, number>
  readonly notes: readonly string[]
}

export interface Violation {
  readonly at: number
  readonly what: string
  readonly push: number | undefined
  /** Another push that was involved. */
  readonly other?: number
  /** The connections whose history a person has to read. */
  readonly connections: readonly number[]
  readonly uids: readonly string[]
}

export interface Verdict {
  readonly findings: readonly Finding[]
  readonly isKept: boolean
}

/** Collects the violations and excuses of one promise. */
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
