import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Gate } from './gate.ts'
import { type HostServer, whenClosing } from './host-closing.ts'
import { isIgnorable, putBack } from './ignored-upgrade.ts'

export interface AttachmentHooks {
  readonly gate: Gate
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<boolean>
  /** Somebody closes the host server, which then waits until the last of its sockets has closed. */
  readonly hostCloses: () => void
}

/** That a Flotilla server takes upgrades from a host server, and the sockets that it took. */
export class Attachment {
  /** Sockets that asked for an upgrade to one of our paths: handshakes in progress, and WebSockets. */
  readonly sockets = new Set<Duplex>()
  readonly #host: HostServer
  readonly #hooks: AttachmentHooks
  readonly #endWatch: () => void
  #isLeaving = false
  #isHostClosing = false

  constructor(host: HostServer, hooks: AttachmentHooks) {
    this.#host = host
    this.#hooks = hooks
    host.on('upgrade', this.#onUpgrade)
    this.#endWatch = whenClosing(host, () => {
      this.#isHostClosing = true
      hooks.hostCloses()
    })
  }

  /** From now on clients are refused. Without that, a client that returns at once would count as a plain request. */
  leave(): void {
    this.#isLeaving = true
  }

  /** From now on the host server's upgrades are its own affair, unless it closes: then some may still come. */
  detach(): void {
    this.#endWatch()
    const detach = (): void => void this.#host.off('upgrade', this.#onUpgrade)
    if (this.#isHostClosing) this.#host.once('close', detach)
    else detach()
    this.#cutOff()
  }

  /** Closes what is left, such as a handshake whose hook never ends. A refused client may still read its answer. */
  #cutOff(): void {
    for (const socket of this.sockets) if (!socket.writableEnded) socket.destroy()
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const { gate, upgrade } = this.#hooks
    if (gate.serves(request)) {
      if (this.#isLeaving) return void gate.refuseLeaving(socket)
      this.sockets.add(socket)
      socket.once('close', () => this.sockets.delete(socket))
      void upgrade(request, socket, head)
    } else if (this.#host.listenerCount('upgrade') > 1) return
    else if (isIgnorable(request)) putBack(this.#host, request, socket, head)
    else void gate.refuseUnknown(request, socket)
  }
}
