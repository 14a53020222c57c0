import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Gate } from './gate.ts'
import { type HostServer, whenClosing } from './host-closing.ts'
import { isIgnorable, putBack } from './ignored-upgrade.ts'

export interface AttachmentHooks {
  readonly gate: Gate
  /** Lets a client in, unless `isLeaving` is true by then. */
  readonly upgrade: (
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    isLeaving: () => boolean,
  ) => Promise<boolean>
  /** Somebody closes the host server, which then waits until the last of its sockets has closed. */
  readonly hostCloses: () => void
}

/** That a Flotilla server takes upgrades from a host server, and the sockets that it took. */
export class Attachment {
  /** Sockets that asked for an upgrade to one of our paths: handshakes in progress, and WebSockets. */
  readonly sockets = new Set<Duplex>()
  readonly #host: HostServer
  readonly #hooks: AttachmentHooks
  readonly #entrance: Entrance
  readonly #endWatch: () => void
  #isLeaving = false
  #isHostClosing = false

  constructor(host: HostServer, hooks: AttachmentHooks) {
    this.#host = host
    this.#hooks = hooks
    this.#entrance = entranceOf(host)
    this.#entrance.add(this)
    this.#endWatch = whenClosing(host, () => {
      this.#isHostClosing = true
      hooks.hostCloses()
    })
  }

  get gate(): Gate {
    return this.#hooks.gate
  }

  get isLeaving(): boolean {
    return this.#isLeaving
  }

  /** From now on clients are refused. Without that, a client that returns at once would count as a plain request. */
  leave(): void {
    this.#isLeaving = true
  }

  /** Takes an upgrade to one of our paths. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#isLeaving) return void this.gate.refuseLeaving(socket)
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
    void this.#hooks.upgrade(request, socket, head, () => this.#isLeaving)
  }

  /** From now on the host server's upgrades are its own affair, unless it closes: then some may still come. */
  detach(): void {
    this.#endWatch()
    // A host server that listens again may not emit `close` for a long time.
    if (this.#isHostClosing && !this.#host.listening) this.#host.on('close', this.#goOut).on('listening', this.#goOut)
    else this.#goOut()
    this.#cutOff()
  }

  readonly #goOut = (): void => {
    this.#host.off('close', this.#goOut).off('listening', this.#goOut)
    this.#entrance.delete(this)
  }

  /** Closes what is left, such as a handshake whose hook never ends. A refused client may still read its answer. */
  #cutOff(): void {
    for (const socket of this.sockets) if (!socket.writableEnded) socket.destroy()
  }
}

const entrances = new WeakMap<HostServer, Entrance>()

function entranceOf(host: HostServer): Entrance {
  const entrance = entrances.get(host) ?? new Entrance(host)
  entrances.set(host, entrance)
  return entrance
}

/**
 * The only `upgrade` listener of all Flotilla servers at one host server. With one each, they would leave a client that
 * none of them knows to each other, and its socket would stay open for ever.
 */
class Entrance {
  readonly #host: HostServer
  readonly #attachments = new Set<Attachment>()

  constructor(host: HostServer) {
    this.#host = host
  }

  add(attachment: Attachment): void {
    if (this.#attachments.size === 0) this.#host.on('upgrade', this.#onUpgrade)
    this.#attachments.add(attachment)
  }

  delete(attachment: Attachment): void {
    this.#attachments.delete(attachment)
    if (this.#attachments.size === 0) this.#host.off('upgrade', this.#onUpgrade)
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const all = [...this.#attachments]
    const serving = all.filter(({ gate }) => gate.serves(request))
    // Another one may have come for one that leaves.
    const chosen = serving.find(({ isLeaving }) => !isLeaving) ?? serving[0]
    if (chosen !== undefined) chosen.upgrade(request, socket, head)
    else if (this.#host.listenerCount('upgrade') > 1) return
    else if (isIgnorable(request)) putBack(this.#host, request, socket, head)
    else void all[0]?.gate.refuseUnknown(request, socket)
  }
}
