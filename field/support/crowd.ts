import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { until } from '../../test/support/until.ts'

/** Clients that connect again at once, as browsers' clients do, and note every attempt that failed. */
export class Crowd {
  readonly failures: string[] = []
  #reconnectCount = 0
  #isOver = false
  readonly #open = new Map<string, WebSocket>()
  readonly #received = new Map<string, Set<string>>()
  readonly #urlOf: (uid: string) => Promise<string>

  constructor(urlOf: (uid: string) => Promise<string>) {
    this.#urlOf = urlOf
  }

  get openCount(): number {
    return this.#open.size
  }

  get reconnectCount(): number {
    return this.#reconnectCount
  }

  async join(uids: readonly string[]): Promise<void> {
    for (const uid of uids) this.#received.set(uid, new Set())
    const waiting = [...uids]
    const line = async (): Promise<void> => {
      for (let uid = waiting.shift(); uid !== undefined; uid = waiting.shift()) await this.#connect(uid)
    }
    await Promise.all(Array.from({ length: 20 }, line))
    await until('everybody is connected', () => this.#open.size === uids.length)
  }

  has(uid: string, message: string): boolean {
    return this.#received.get(uid)?.has(message) ?? false
  }

  leave(): void {
    this.#isOver = true
    for (const socket of this.#open.values()) socket.terminate()
  }

  /** Resolves once the client is connected, or has noted why it is not. Then it tries again by itself. */
  async #connect(uid: string): Promise<void> {
    const socket = new WebSocket(await this.#urlOf(uid))
    await new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => this.#received.get(uid)!.add(data.toString()))
      socket.once('open', () => {
        this.#open.set(uid, socket)
        resolve()
      })
      socket.once('error', (error) => {
        if (!this.#isOver) this.failures.push(`connect of ${uid}: ${error.message}`)
      })
      socket.once('close', () => {
        this.#open.delete(uid)
        resolve()
        void this.#connectAgain(uid)
      })
    })
  }

  async #connectAgain(uid: string): Promise<void> {
    // Clients that come back all at once are not what this is about.
    await pause(Math.random() * 1000)
    if (this.#isOver) return
    this.#reconnectCount++
    await this.#connect(uid)
  }
}
