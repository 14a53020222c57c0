import type { InboxLook } from '../history.ts'
import type { Evidence } from './evidence.ts'
import { type Finding, FindingBook } from './verdict.ts'

/** A starved node has to catch up, and in the end every inbox has to be empty. */
export function checkBehind({ history }: Evidence): Finding {
  const book = new FindingBook()
  book.checkedCount = history.inboxes.length
  for (const { detail, to, starved } of history.faults) {
    if (starved === undefined || starved.caughtUpAfter !== undefined) continue
    const what = `${detail}: when as much time had passed again, an inbox still held an entry older than a second`
    book.violate({ at: to, what, push: undefined, connections: [], uids: [] })
  }
  for (const { key, entries, behind, pushes } of history.standing) {
    const what = `${key} still held ${entries} entries with ${pushes.size} pushes, the oldest ${seconds(behind)} old`
    book.violate({ at: history.until, what, push: undefined, connections: [], uids: [] })
  }
  book.notes.push(...worstOf(history.inboxes))
  return book.finding('behind', 'looks into inboxes')
}

/** How far behind each node was at its worst. */
function worstOf(looks: readonly InboxLook[]): string[] {
  const worst = new Map<number, InboxLook>()
  for (const look of looks) if (look.behind >= (worst.get(look.slot)?.behind ?? 0)) worst.set(look.slot, look)
  const inOrder = [...worst.values()].toSorted((a, b) => a.slot - b.slot)
  return inOrder.map(({ slot, behind, at }) => `n${slot} was ${seconds(behind)} behind at worst, at ${seconds(at)}`)
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
