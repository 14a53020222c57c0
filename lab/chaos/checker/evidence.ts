import type { Connection, FaultWindow, History, InboxLook, Push } from '../history.ts'

/** The effects of a fault outlast it by this long: leases expire, nodes join again, takeovers complete. */
const AFTERMATH = 2_000

export interface Times {
  readonly heartbeat: number
  readonly deadAfter: number
  /** How many ms later than promised still counts as in time. */
  readonly slack: number
}

/** A time in which a node had lost its place in the cluster, until it had joined again and bound its connections. */
export interface Absence {
  /** The time from which it may have delivered nothing, because it was paused or cut off. */
  readonly troubledFrom: number
  /** The earliest time at which it may have been evicted. */
  readonly from: number
  readonly to: number
}

/** The history, indexed once for the questions that the checks ask. */
export class Evidence {
  readonly history: History
  readonly times: Times
  /** The faults that broke something and therefore excuse violations. */
  readonly faults: readonly FaultWindow[]
  readonly byUid = new Map<string, Connection[]>()
  readonly #counts: Map<number, number>[] = []
  readonly #absences = new Map<string, Absence[]>()
  readonly #deaths = new Map<string, number>()
  readonly #gracefulEnds = new Set<string>()
  readonly #looks = new Map<number, InboxLook[]>()
  readonly #waits = new Map<string, readonly Wait[]>()

  constructor(history: History, times: Times) {
    this.history = history
    this.times = times
    this.faults = history.faults.filter(({ isHarmless }) => isHarmless !== true)
    for (const connection of history.connections) {
      const ofUser = this.byUid.get(connection.uid)
      if (ofUser === undefined) this.byUid.set(connection.uid, [connection])
      else ofUser.push(connection)
      const counts = new Map<number, number>()
      for (const number of connection.received) counts.set(number, (counts.get(number) ?? 0) + 1)
      this.#counts[connection.number] = counts
    }
    for (const look of history.inboxes) {
      const ofSlot = this.#looks.get(look.slot)
      if (ofSlot === undefined) this.#looks.set(look.slot, [look])
      else ofSlot.push(look)
    }
    this.#noteAbsences()
  }

  /**
   * The first look into a node's inbox that shows that the node had read everything that was in it at time `at`.
   * Returns the time of that look, or `at` if no look shows it.
   */
  readBy(slot: number, at: number): number {
    const looks = this.#looks.get(slot) ?? []
    let [low, high] = [0, looks.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (looks[middle]!.at < at) low = middle + 1
      else high = middle
    }
    for (; low < looks.length; low++) if (looks[low]!.at - looks[low]!.behind > at) return looks[low]!.at
    return at
  }

  /** When the node process of a connection died or was told to end; undefined if neither happened. */
  deathOf(connection: Connection): number | undefined {
    return this.#deaths.get(placeOf(connection))
  }

  /** When that process fell silent: at its death, or earlier if it was paused when it died. */
  silentSince(connection: Connection): number | undefined {
    const diedAt = this.deathOf(connection)
    let pausedAt: number | undefined
    for (const { slot, life, type, at } of this.history.nodes) {
      if (slot !== connection.slot || life !== connection.life || at > (diedAt ?? 0)) continue
      if (type === 'paused') pausedAt = at
      else if (type === 'resumed') pausedAt = undefined
    }
    return pausedAt ?? diedAt
  }

  /** Whether the node process of a connection was told to end, so that it forwarded its unfinished work itself. */
  endedGracefully(connection: Connection): boolean {
    return this.#gracefulEnds.has(placeOf(connection))
  }

  /**
   * The time until which a connection could receive. A client that does not read notices late that its node is gone.
   */
  endOf(connection: Connection): number {
    const { closedAt, leavingAt } = connection
    return Math.min(closedAt, leavingAt, this.deathOf(connection) ?? Number.POSITIVE_INFINITY)
  }

  has(connection: Connection, push: Push): boolean {
    return this.#counts[connection.number]!.has(push.number)
  }

  counts(connection: Connection): ReadonlyMap<number, number> {
    return this.#counts[connection.number]!
  }

  /** Whether a copy of a push was still in an inbox when the run stopped waiting. */
  isStanding({ number }: Push): boolean {
    return this.history.standing.some(({ pushes }) => pushes.has(number))
  }

  /** The faults that overlap this time, aftermath included. */
  faultsIn(from: number, to: number): FaultWindow[] {
    return this.faults.filter((fault) => fault.from <= to && fault.to + this.#aftermath >= from)
  }

  /** The end of all faults that overlap this time, of all faults that overlap those, and so on, aftermath included. */
  calmAfter(from: number, to: number): number {
    const calm = Math.max(to, ...this.faultsIn(from, to).map((fault) => fault.to + this.#aftermath))
    return calm > to ? this.calmAfter(from, calm) : to
  }

  /**
   * How many pushes to a user had to wait around `at`: they resolved in the minute before it, or until the trouble at
   * that time was over, and reached no connection of the user within a second.
   */
  waitingFor(uid: string, at: number): number {
    // If one node is further behind than another, a push that was made later may have to wait earlier.
    const until = Math.max(this.calmAfter(at, at), ...Array.from(this.#looks.keys(), (slot) => this.readBy(slot, at)))
    return this.#waitsOf(uid).filter(({ from, to }) => from >= at - 60_000 && from <= until && to - from > LATE).length
  }

  /** For each push to a user, or to a group that the user was ever in: when it ended for its caller, and when it first arrived. */
  #waitsOf(uid: string): readonly Wait[] {
    const known = this.#waits.get(uid)
    if (known !== undefined) return known
    const connections = this.byUid.get(uid) ?? []
    const groups = new Set(connections.flatMap(({ memberships }) => memberships.map(({ group }) => group)))
    const arrived = new Map<number, number>()
    for (const { received, receivedAt } of connections) {
      for (const [place, number] of received.entries()) {
        arrived.set(number, Math.min(receivedAt[place]!, arrived.get(number) ?? Number.POSITIVE_INFINITY))
      }
    }
    const isFor = ({ group, uids, offline }: Push): boolean =>
      group === undefined ? uids.includes(uid) && !offline.includes(uid) : groups.has(group)
    // A push whose outcome is unknown may have been stored, and then it takes a place among those that wait.
    const waits = this.history.pushes
      .filter((push) => push.outcome !== 'failed' && isFor(push))
      .map(({ number, settledAt }) => ({ from: settledAt, to: arrived.get(number) ?? Number.POSITIVE_INFINITY }))
    this.#waits.set(uid, waits)
    return waits
  }

  get #aftermath(): number {
    return AFTERMATH + this.times.deadAfter + this.times.heartbeat
  }

  /** An absence of the connection's node that overlaps this time. */
  absenceIn(connection: Connection, from: number, to: number): Absence | undefined {
    return this.#absences.get(placeOf(connection))?.find((absence) => absence.from <= to && absence.to >= from)
  }

  /** Whether a push was made while the connection's node delivered nothing but had not been evicted yet. */
  wasStranded(connection: Connection, push: Push): boolean {
    const absences = this.#absences.get(placeOf(connection)) ?? []
    return absences.some(
      ({ troubledFrom, from }) => push.settledAt >= troubledFrom - IN_FLIGHT && push.firstCalledAt < from,
    )
  }

  /**
   * Whether a push may have been destroyed together with the store's data before it was delivered.
   *
   * @param wasReached whether somebody was there at time `at` who had received the push by the time `by`, if nothing failed
   */
  wasDestroyed(push: Push, wasReached: (at: number, by: number) => boolean): boolean {
    return this.faults.some(({ destroyed }) => {
      if (destroyed === undefined) return false
      // Everything that is lost was stored before. An old master is different: it still accepts writes, and forgets
      // them, until it learns that it was replaced.
      if (push.firstCalledAt > (destroyed.what === 'all' ? destroyed.from : destroyed.to)) return false
      if (push.settledAt >= destroyed.from - IN_FLIGHT) return true
      // It was stored long before. That excuses a loss only if nobody could receive it since, for example because the
      // node was paused, or had not read that far.
      if (destroyed.what === 'tail' || push.settledAt < destroyed.from - KEPT_FOR) return false
      return !wasReached(push.settledAt, destroyed.from)
    })
  }

  /**
   * A node notices that it lost its place only some time after it was evicted. From then on it binds its connections
   * again, one after another.
   */
  #noteAbsences(): void {
    const lost = new Map<string, number>()
    for (const { type, slot, life, at } of this.history.nodes) {
      const place = placeOf({ slot, life })
      if (type === 'lost its place' && !lost.has(place)) lost.set(place, at)
      if (type === 'killed' || type === 'died' || type === 'stopped') {
        if (!this.#deaths.has(place)) {
          this.#deaths.set(place, at)
          if (type === 'stopped') this.#gracefulEnds.add(place)
        }
        if (!lost.has(place) && this.#stoodStillTooLong(place, slot, at)) lost.set(place, at)
        this.#closeAbsence(place, lost, at)
      }
      if (type === 'joined again') this.#closeAbsence(place, lost, at + AFTERMATH)
    }
    for (const [place] of lost) this.#closeAbsence(place, lost, Number.POSITIVE_INFINITY)
  }

  /** Whether a node had lost its place before it died, although it never noticed, for example because it was paused. */
  #stoodStillTooLong(place: string, slot: number, killedAt: number): boolean {
    const isIts = this.faults.some(({ from, to, slots }) => {
      return slots.includes(slot) && from <= killedAt && to >= killedAt
    })
    return isIts && this.#evictionBefore(place, killedAt).from < killedAt
  }

  #closeAbsence(place: string, lost: Map<string, number>, to: number): void {
    const from = lost.get(place)
    if (from === undefined) return
    lost.delete(place)
    const absences = this.#absences.get(place)
    const absence = { ...this.#evictionBefore(place, from), to }
    if (absences === undefined) this.#absences.set(place, [absence])
    else absences.push(absence)
  }

  /**
   * The eviction happened some time before the node noticed: `deadAfter` after its last renewal, or when the store was
   * lost.
   */
  #evictionBefore(place: string, noticedAt: number): Omit<Absence, 'to'> {
    const { heartbeat, deadAfter } = this.times
    const slot = Number(place.split('.')[0])
    const faults = this.faults.filter(({ from, to, slots }) => {
      const touches = slots.length === 0 || slots.includes(slot)
      return touches && from <= noticedAt && to + deadAfter >= noticedAt
    })
    const troubledFrom = Math.min(noticedAt, ...faults.map(({ from }) => from))
    const isSudden = faults.some(({ destroyed }) => destroyed !== undefined)
    const sinceRenewal = heartbeat + RENEWAL_DELAY
    const from = isSudden ? troubledFrom : Math.min(noticedAt, troubledFrom + deadAfter - sinceRenewal)
    return { troubledFrom, from }
  }
}

interface Wait {
  readonly from: number
  readonly to: number
}

/**
 * The ms by which two renewals may be further apart than `heartbeat`, because a node pauses for a heartbeat only after
 * the store's answer to the renewal before, and has other work to do.
 */
const RENEWAL_DELAY = 250
/** A push that arrives later than this after it resolved had to wait somewhere. */
const LATE = 1_000
/** A push that resolved this shortly before the store lost its data may still have been in flight. */
const IN_FLIGHT = 2_000
/** How long a push waits for its user to come back. */
const KEPT_FOR = 60_000

function placeOf({ slot, life }: { readonly slot: number; readonly life: number }): string {
  return `${slot}.${life}`
}
