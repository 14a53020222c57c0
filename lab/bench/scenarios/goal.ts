/** Looks up a system's median of a figure, if it has one. */
export type Find = (system: string, figure: string) => number | undefined

/** A value that Flotilla should reach, compared with other systems in the same run. */
export interface Goal {
  readonly label: string
  readonly target: number
  readonly unit: string
  readonly better: 'more' | 'less'
  measure(find: Find): number | undefined
}

/** At least `target` times the best of these systems; with `less`, at most. */
export function times(
  target: number,
  label: string,
  figure: string,
  peers: readonly string[],
  better: 'more' | 'less' = 'more',
): Goal {
  return {
    label,
    target,
    unit: '×',
    better,
    measure(find) {
      const theirs = peers.map((peer) => find(peer, figure)).filter((value) => value !== undefined)
      const ours = find('flotilla', figure)
      if (ours === undefined || theirs.length === 0) return undefined
      return ours / (better === 'more' ? Math.max(...theirs) : Math.min(...theirs))
    },
  }
}

/** At most this value. */
export function atMost(target: number, unit: string, label: string, figure: string): Goal {
  return { label, target, unit, better: 'less', measure: (find) => find('flotilla', figure) }
}

export function isReached({ target, better }: Goal, value: number): boolean {
  return better === 'more' ? value >= target : value <= target
}
