const SLOTS = 16_384

/** Knows which master has which slot. If two members disagree, the one with the newer epoch is right. */
export class SlotMap {
  readonly #masters: (string | undefined)[] = Array.from({ length: SLOTS }, () => undefined)
  readonly #epochs = new Float64Array(SLOTS)

  masterOf(slot: number): string | undefined {
    return this.#masters[slot]
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
    for (const line of lines.split('\n')) {
      const [, endpoint = '', flags = '', , , , epoch, , ...ranges] = line.split(' ')
      const address = addressIn(endpoint, asked)
      if (address === undefined || !/\bmaster\b/.test(flags)) continue
      // A master that has failed still counts as long as nobody else has its slots.
      if (!flags.includes('fail')) masters.add(address)
      for (const range of ranges) if (this.#assign(range, address, Number(epoch))) hasMoved = true
    }
    for (const master of this.#masters) if (master !== undefined) masters.add(master)
    return { masters, hasMoved }
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

/** "host:port@bus,name". A member that knows only its name is reached by that name. */
function addressIn(endpoint: string, asked: string): string | undefined {
  const [, host, port, name] = /^(.*):(\d+)@\d+(?:,([^,]*))?/.exec(endpoint) ?? []
  if (port === undefined || port === '0') return undefined
  return `${host || name || asked}:${port}`
}
