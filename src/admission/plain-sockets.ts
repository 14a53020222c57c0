import type { Duplex } from 'node:stream'

/** ms */
const SWEEP = 500
/** ms. A socket that has not sent a request yet counts as having waited this much less than one that has. */
const HEAD_START = 1_000

export interface PlainSocketsOptions {
  /** ms from connecting until the first request head is complete. */
  readonly patience: number
  /** How many sockets there may be. */
  readonly max: number
  /** Whether this socket has taken one of the last file descriptors, so that it must be closed. Default: never. */
  readonly isLast?: ((socket: Duplex) => boolean) | undefined
  /** Called for each socket that was closed to make room for a newer one. */
  readonly gaveWay: () => void
}

interface Entry {
  socket: Duplex
  readonly crowd: Crowd | undefined
  readonly forget: () => void
  /** When the server began to wait for the client: for its first request, its next one, or the rest of a body. */
  since: number
  hasAsked: boolean
  /** Requests that have arrived completely and are not answered yet. */
  requestCount: number
}

/** The sockets of one network. */
interface Crowd {
  readonly network: string
  count: number
  readonly waiting: Waiting
}

/** Sockets whose clients the server waits for. */
class Waiting {
  /** Sockets that have not sent a request yet. Both sets are in the order of `since`. */
  readonly newcomers = new Set<Entry>()
  readonly #others = new Set<Entry>()

  add(entry: Entry): void {
    if (entry.hasAsked) this.#others.add(entry)
    else this.newcomers.add(entry)
  }

  delete(entry: Entry): void {
    this.newcomers.delete(entry)
    this.#others.delete(entry)
  }

  /** Of the sockets that have sent a request before, the one that the server has waited for longest. */
  get idlest(): Entry | undefined {
    return first(this.#others)
  }

  /**
   * The socket that the server has waited for longest. Newcomers have a head start: if many connect at once, none of
   * them is closed before its first request was read.
   */
  get longest(): Entry | undefined {
    const newcomer = first(this.newcomers)
    const other = first(this.#others)
    if (newcomer === undefined || other === undefined) return newcomer ?? other
    return newcomer.since + HEAD_START < other.since ? newcomer : other
  }
}

/**
 * The sockets that are not WebSockets: some have not sent a request yet, some have a request in progress, and some are
 * kept alive between requests. If there are more than `max`, the one that the server has waited for longest is closed.
 * Newcomers have a head start, and a socket is never closed while its request is being answered. A network may have at
 * most as many sockets as there are places left, so a single network gets half of them and always leaves room for
 * others.
 */
export class PlainSockets {
  readonly #options: PlainSocketsOptions
  readonly #entries = new Map<Duplex, Entry>()
  readonly #crowds = new Map<string, Crowd>()
  readonly #waiting = new Waiting()
  readonly #sweep: NodeJS.Timeout

  constructor(options: PlainSocketsOptions) {
    this.#options = options
    this.#sweep = setInterval(() => this.#dropLate(), SWEEP).unref()
  }

  /** Whether more than half of the room is taken. */
  get isCrowded(): boolean {
    return 2 * this.#entries.size > this.#options.max
  }

  /** @param network undefined if the socket counts only towards the total */
  add(socket: Duplex, network: string | undefined, { hasAsked = false } = {}): void {
    const crowd = network === undefined ? undefined : this.#crowdOf(network)
    const forget = (): void => this.delete(entry.socket)
    const entry: Entry = { socket, crowd, forget, since: 0, hasAsked, requestCount: 0 }
    this.#entries.set(socket, entry)
    socket.on('close', forget)
    if (crowd !== undefined) crowd.count++
    this.#wait(entry)
    if (this.#options.isLast?.(socket) === true) return this.#turnAway(entry)
    const excess = this.#excessOf(crowd)
    if (excess !== undefined) this.#giveWay(excess)
  }

  /** Replaces a TCP socket with the TLS socket on top of it. */
  replace(socket: Duplex, by: Duplex): void {
    const entry = this.#entries.get(socket)
    if (entry === undefined) return
    this.#entries.delete(socket)
    socket.off('close', entry.forget)
    entry.socket = by
    this.#entries.set(by, entry)
    by.on('close', entry.forget)
  }

  /** A request head has arrived, but not its body: from now on the server waits for the body. */
  headArrives(socket: Duplex): void {
    const entry = this.#entries.get(socket)
    if (entry === undefined) return
    this.#stopWaiting(entry)
    entry.hasAsked = true
    if (entry.requestCount === 0) this.#wait(entry)
  }

  /** A request has arrived completely: until `requestEnds` the client waits for its answer. */
  requestArrives(socket: Duplex): void {
    const entry = this.#entries.get(socket)
    if (entry === undefined) return
    entry.hasAsked = true
    entry.requestCount++
    this.#stopWaiting(entry)
  }

  requestEnds(socket: Duplex): void {
    const entry = this.#entries.get(socket)
    if (entry === undefined || entry.requestCount === 0) return
    if (--entry.requestCount === 0) this.#wait(entry)
  }

  delete(socket: Duplex): void {
    const entry = this.#entries.get(socket)
    if (entry === undefined) return
    const { crowd } = entry
    this.#entries.delete(socket)
    this.#stopWaiting(entry)
    socket.off('close', entry.forget)
    if (crowd !== undefined && --crowd.count === 0) this.#crowds.delete(crowd.network)
  }

  close(): void {
    clearInterval(this.#sweep)
  }

  #crowdOf(network: string): Crowd {
    const known = this.#crowds.get(network)
    if (known !== undefined) return known
    const crowd: Crowd = { network, count: 0, waiting: new Waiting() }
    this.#crowds.set(network, crowd)
    return crowd
  }

  #wait(entry: Entry): void {
    entry.since = performance.now()
    this.#waiting.add(entry)
    entry.crowd?.waiting.add(entry)
  }

  #stopWaiting(entry: Entry): void {
    this.#waiting.delete(entry)
    entry.crowd?.waiting.delete(entry)
  }

  /**
   * The socket to close after this crowd has gained one. It is the new socket itself if all others are being answered.
   */
  #excessOf(crowd: Crowd | undefined): Entry | undefined {
    const room = this.#options.max - this.#entries.size
    if (crowd !== undefined && crowd.count > 1 && crowd.count > room + 1) return crowd.waiting.longest
    return room < 0 ? this.#waiting.longest : undefined
  }

  /**
   * The newest socket itself must go: if an older one went in its place, the last descriptor would stay taken, and
   * nothing would show that others are free. The client finds room when it tries again, if a socket was idle.
   */
  #turnAway(newest: Entry): void {
    const { idlest } = this.#waiting
    this.#giveWay(newest)
    if (idlest !== undefined && idlest !== newest) this.#giveWay(idlest)
  }

  #giveWay({ socket }: Entry): void {
    this.delete(socket)
    socket.destroy()
    this.#options.gaveWay()
  }

  #dropLate(): void {
    const latest = performance.now() - this.#options.patience
    for (const { socket, since } of this.#waiting.newcomers) {
      if (since > latest) return
      this.delete(socket)
      socket.destroy()
    }
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const item of set) return item
  return undefined
}
