import type { Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { RawClient } from '../../test/support/raw-client.ts'
import type { RawFrameInit } from '../../test/support/raw-frame.ts'
import { until } from '../../test/support/until.ts'

/** The tools that an attack works with, and a count of how its attempts ended. */
export class Hostile {
  readonly url: string
  /** The headers of an ordinary user, whose token is valid. */
  readonly headers: Readonly<Record<'Authorization', string>>
  readonly outcomes: Record<string, number> = {}
  readonly #end: number

  constructor(url: string, token: string, seconds: number) {
    this.url = url
    this.headers = { Authorization: `Bearer ${token}` }
    this.#end = performance.now() + seconds * 1_000
  }

  get isOver(): boolean {
    return performance.now() >= this.#end
  }

  note(outcome: string): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1
  }

  /** Notes the status of an answer, or that there was none. */
  noteStatus(answer: string): void {
    this.note(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 'cut off')
  }

  /** Notes the code that the node closes the connection with, or that it hangs up without one. */
  async noteEnd(client: RawClient): Promise<void> {
    await until('the node ends it', () => hasEnded(client))
    this.note(String(client.closedWith ?? 'cut off'))
  }

  /** Keeps `size` attempts going at once. Each is made at least once, and again until the time is over. */
  async crowd(size: number, attempt: () => Promise<void>): Promise<void> {
    const one = async (): Promise<void> => {
      do await attempt().catch(() => this.note('cut off'))
      while (!this.isOver)
    }
    await Promise.all(Array.from({ length: size }, one))
  }

  /** Sends the same bytes again and again until the node hangs up. */
  async drip(socket: Socket, bytes: string): Promise<void> {
    // A paused socket may not notice that the node has hung up.
    socket.resume()
    while (!socket.closed) {
      if (bytes !== '') socket.write(bytes)
      await sleep(100)
    }
    this.note('cut off')
  }

  open(path = '/echo', headers: Readonly<Record<string, string>> = {}): Promise<RawClient> {
    return RawClient.connect(this.url, path, { ...this.headers, ...headers })
  }

  /** Sends the same message twenty times a second, or as fast as it is answered; once even if opening took all the time. */
  async ask(path: string, message: string | Uint8Array, init?: RawFrameInit): Promise<void> {
    using client = await this.open(path, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    let asked = 0
    do {
      client.send(message, init)
      asked++
      await Promise.all([sleep(50), until('it is answered', () => hasEnded(client) || client.frames.length >= asked)])
      if (!hasEnded(client)) this.note('answered')
    } while (!this.isOver && !hasEnded(client))
    if (hasEnded(client)) await this.noteEnd(client)
  }

  /** Sends as fast as the node reads until the node hangs up, then notes the close code. */
  async flood(batch: (client: RawClient) => void): Promise<void> {
    using client = await this.open()
    while (!client.isClosed) {
      batch(client)
      await client.drained()
      // When the socket accepts nothing more, only a turn of the event loop can tell the client that the node has hung
      // up.
      await nextTurn()
    }
    await this.noteEnd(client)
  }
}

export function hasEnded(client: RawClient): boolean {
  return client.isClosed || client.closedWith !== undefined
}
