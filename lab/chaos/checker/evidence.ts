import type { Connection, FaultWindow, History, InboxLook, Push } from '../history.ts'

/** After a fault has ended, its consequences go on for a while: leases run out, nodes join again, takeovers end. */
const AFTERMATH = 2_000

export interface Times {
  readonly heartbeat: number
  readonly deadAfter: number
  /** How much later than promised counts as in time. */
  readonly slack: number
}

/** A node that had lost its place in the cluster, until it had joined again and bound its connections. */
export interface Absence {
  /** Since when it may have delivered nothing: it stood still, or was cut off. */
  readonly troubledFrom: number
  /** When it may have been evicted at the earliest. */
  readonly from: number
  readonly to: number
}

/** The history, with what the checks ask of it looked up once. */
export class Evidence {
  readonly history: History
  readonly times: Times
  /** Those that broke something, and excuse what came of it. */
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

  /** When a node had read what was in its inbox at some time, as far as that was looked at; then, if it was not. */
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

  /** When the process that a connection was to died, or was told to end, if it did. */
  deathOf(connection: Connection): number | undefined {
    return this.#deaths.get(placeOf(connection))
  }

  /** Since when that process had said nothing when it died: it may have stood still before. */
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

  /** Whether the process that a connection was to was told to end, and handed in what it owed by itself. */
  endedGracefully(connection: Connection): boolean {
    return this.#gracefulEnds.has(placeOf(connection))
  }

  /** Until when it could receive: a client that does not read notices late that its node has gone. */
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

  /** Whether a copy of a push was still in some inbox when there was no more waiting for it. */
  isStanding({ number }: Push): boolean {
    return this.history.standing.some(({ pushes }) => pushes.has(number))
  }

  /** Faults, with their aftermath, that overlap this time. */
  faultsIn(from: number, to: number): FaultWindow[] {
    return this.faults.filter((fault) => fault.from <= to && fault.to + this.#aftermath >= from)
  }

  /** The end of all faults that overlap this time, of those that overlap them, and so on, with their aftermath. */
  calmAfter(from: number, to: number): number {
    const calm = Math.max(to, ...this.faultsIn(from, to).map((fault) => fault.to + this.#aftermath))
    return calm > to ? this.calmAfter(from, calm) : to
  }

  /**
   * How many pushes for a user had resolved in the last minute and reached none of the user's connections for as long as
   * the trouble lasted that this time is part of.
   */
  waitingFor(uid: string, at: number): number {
    // What was pushed later comes to wait earlier where one node is further behind than another.
    const until = Math.max(this.calmAfter(at, at), ...Array.from(this.#looks.keys(), (slot) => this.readBy(slot, at)))
    return this.#waitsOf(uid).filter(({ from, to }) => from >= at - 60_000 && from <= until && to - from > LATE).length
  }

  /** From when to when each push for a user was on its way. */
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
    const waits = this.history.pushes
      .filter((push) => push.outcome === 'resolved' && isFor(push))
      .map(({ number, settledAt }) => ({ from: settledAt, to: arrived.get(number) ?? Number.POSITIVE_INFINITY }))
    this.#waits.set(uid, waits)
    return waits
  }

  get #aftermath(): number {
    return AFTERMATH + this.times.deadAfter + this.times.heartbeat
  }

  /** Whether the node of a connection had lost its place at some point of this time. */
  absenceIn(connection: Connection, from: number, to: number): Absence | undefined {
    return this.#absences.get(placeOf(connection))?.find((absence) => absence.from <= to && absence.to >= from)
  }

  /** Whether a push was made when the node of a connection delivered nothing, but had not been evicted yet. */
  wasStranded(connection: Connection, push: Push): boolean {
    const absences = this.#absences.get(placeOf(connection)) ?? []
    return absences.some(
      ({ troubledFrom, from }) => push.settledAt >= troubledFrom - IN_FLIGHT && push.firstCalledAt < from,
    )
  }

  /** Whether what was stored by a push may have gone with the store's data before it was delivered. */
  wasDestroyed(push: Push, isReachable: (at: number) => boolean): boolean {
    return this.faults.some(({ destroyed }) => {
      if (destroyed === undefined) return false
      // What was lost with all the rest was stored before; an old master takes writes, and forgets them, for as long as it thinks it is one.
      if (push.firstCalledAt > (destroyed.what === 'all' ? destroyed.from : destroyed.to)) return false
      if (push.settledAt >= destroyed.from - IN_FLIGHT) return true
      // It was stored long before: only where nobody could take delivery since, as on a node that stood still.
      if (destroyed.what === 'tail' || push.settledAt < destroyed.from - KEPT_FOR) return false
      return !isReachable(push.settledAt)
    })
  }

  /**
   * A node notices that it lost its place some time after others have taken it; from then on its connections are bound
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

  /** One that is killed while it stands still never notices that it had lost its place. */
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

  /** It was evicted some time before it could notice: `deadAfter` after its last renewal, or when the store was lost. */
  #evictionBefore(place: string, noticedAt: number): Omit<Absence, 'to'> {
    const { heartbeat, deadAfter } = this.times
    const slot = Number(place.split('.')[0])
    const faults = this.faults.filter(({ from, to, slots }) => {
      const touches = slots.length === 0 || slots.includes(slot)
      return touches && from <= noticedAt && to + deadAfter >= noticedAt
    })
    const troubledFrom = Math.min(noticedAt, ...faults.map(({ from }) => from))
    const isSudden = faults.some(({ destroyed }) => destroyed !== undefined)
    const from = isSudden ? troubledFrom : Math.min(noticedAt, troubledFrom + deadAfter - heartbeat)
    return { troubledFrom, from }
  }
}

interface Wait {
  readonly from: number
  readonly to: number
}

/** What comes later than so had to wait somewhere. */
const LATE = 1_000
/** What was resolved so long before the store's end may still have been on its way. */
const IN_FLIGHT = 2_000
/** A push waits so long for its user to come back. */
const KEPT_FOR = 60_000

function placeOf({ slot, life }: { readonly slot: number; readonly life: number }): string {
  return `${slot}.${life}`
}
