import { type Endpoint, endpointOf } from './address.ts'
import { AddressBook } from './nat-map.ts'

const SLOTS = 16_384

/** Knows which master has which slot. If two members disagree, the one with the newer epoch is right. */
export class SlotMap {
  readonly #masters: (string | undefined)[] = Array.from({ length: SLOTS }, () => undefined)
  readonly #epochs = new Float64Array(SLOTS)
  readonly #book: AddressBook
  readonly #prefersNames: boolean
  /** A member has several names, and a redirection may use another one than the list of members. */
  #outside = new Map<string, string>()

  /** @param prefersNames whether a member that names its host is called by that name, and not by its IP address */
  constructor(book = new AddressBook(), { prefersNames = false } = {}) {
    this.#book = book
    this.#prefersNames = prefersNames
  }

  masterOf(slot: number): string | undefined {
    return this.#masters[slot]
  }

  /** Where the member is that Redis names so. */
  outsideOf(named: string): string {
    return this.#outside.get(named) ?? textOf(this.#book.outsideOf(endpointOf(named)))
  }

  /** Takes over what a redirection said: where the slot is now. */
  learn(slot: number, master: string): void {
    this.#masters[slot] = master
  }

  /**
   * Takes over what a member says of the cluster, and answers which masters there are. A line is "id host:port@bus
   * flags master ping pong epoch link slots…" (Redis Cluster: CLUSTER NODES). `asked` is the host of the member that
   * was asked, which may not name itself.
   */
  read(lines: string, asked: string): { readonly masters: ReadonlySet<string>; readonly hasMoved: boolean } {
    const masters = new Set<string>()
    let hasMoved = false
    this.#outside = new Map()
    for (const line of lines.split('\n')) {
      const [, endpoint = '', flags = '', , , , epoch, , ...ranges] = line.split(' ')
      const address = this.#addressIn(endpoint, asked)
      if (address === undefined || !/\bmaster\b/.test(flags)) continue
      // A master that has failed still counts as long as nobody else has its slots.
      if (!flags.includes('fail')) masters.add(address)
      for (const range of ranges) if (this.#assign(range, address, Number(epoch))) hasMoved = true
    }
    for (const master of this.#masters) if (master !== undefined) masters.add(master)
    return { masters, hasMoved }
  }

  /** "host:port@bus,name". A member that knows only its name is reached by that name. */
  #addressIn(endpoint: string, asked: string): string | undefined {
    const [, ip, port, name] = /^(.*):(\d+)@\d+(?:,([^,]*))?/.exec(endpoint) ?? []
    if (port === undefined || port === '0') return undefined
    const hosts = (this.#prefersNames ? [name, ip] : [ip, name]).filter((host) => host !== undefined && host !== '')
    const named = hosts.map((host): Endpoint => ({ host: host!, port: Number(port) }))
    const [first = { host: asked, port: Number(port) }, ...others] = named
    const outside = textOf(this.#book.outsideOf(first, ...others))
    for (const one of named) this.#outside.set(textOf(one), outside)
    return outside
  }

  #assign(range: string, address: string, epoch: number): boolean {
    // "[93-<-id]" is a slot that is moving. Its owner also lists it without brackets.
    if (range.startsWith('[')) return false
    const [from, to = from] = range.split('-').map(Number)
    let hasMoved = false
    for (let slot = from!; slot <= to!; slot++) {
      if (epoch < this.#epochs[slot]!) continue
      this.#epochs[slot] = epoch
      if (this.#masters[slot] === address) continue
      this.#masters[slot] = address
      hasMoved = true
    }
    return hasMoved
  }
}

function textOf({ host, port }: Endpoint): string {
  return `${host}:${port}`
}
