import { setTimeout as sleep } from 'node:timers/promises'
import { API_KEY } from '../../test/standalone/api-call.ts'
import { connect, type TestClient } from '../../test/support/connect.ts'
import { until } from '../../test/support/until.ts'
import { percentile } from '../report/numbers.ts'

const COUNT = 10

/** Ordinary clients. Now and then each of them sends a message and receives it back, or is pushed to. */
export class People {
  readonly #clients: readonly TestClient[]
  readonly #url: string
  /** For each message that has not been received yet, when it was sent. */
  readonly #said = new Map<string, number>()
  readonly #pushes = new Set<Promise<boolean>>()
  #latencies: number[] = []
  #next = 0
  #lastId = 0

  static async connect(url: string, tokenFor: (uid: string) => Promise<string>): Promise<People> {
    const clients = await Promise.all(
      Array.from({ length: COUNT }, async (_, n) => {
        const headers = { 'x-forwarded-for': `10.0.0.${n}` }
        return connect(url, { path: '/echo', token: await tokenFor(`p${n}`), headers })
      }),
    )
    return new People(url, clients)
  }

  private constructor(url: string, clients: readonly TestClient[]) {
    this.#url = url
    this.#clients = clients
    for (const { socket } of clients) socket.on('message', (data: Buffer) => this.#heard(data.toString()))
  }

  /** Messages received since `forget()`. */
  get heardCount(): number {
    return this.#latencies.length
  }

  /** The 99th percentile, in ms. */
  get latency(): number {
    return percentile(this.#latencies, 0.99) ?? Number.POSITIVE_INFINITY
  }

  get unheardCount(): number {
    return this.#said.size
  }

  /** How many clients have lost their connection. */
  get goneCount(): number {
    return this.#clients.filter(({ socket }) => socket.readyState !== socket.OPEN).length
  }

  forget(): void {
    this.#latencies = []
  }

  /** For this many ms, every 10 ms two clients send a message, and every 20 ms one client is pushed to. */
  async live(duration: number): Promise<void> {
    const end = performance.now() + duration
    do {
      const n = this.#next++ % COUNT
      for (const speaker of [n, (n + 5) % COUNT]) this.#clients[speaker]!.send(this.#say())
      if (n % 2 === 0) this.#push(`p${(n + 1) % COUNT}`)
      await sleep(10)
    } while (performance.now() < end)
  }

  /**
   * Pushes to everyone once more, then waits until every message is received, or until a client is gone and will not
   * receive its own.
   */
  async settle(): Promise<void> {
    await Promise.all(this.#pushes)
    for (let n = 0; n < COUNT; n++) await until('a push is taken', () => this.#pushed(`p${n}`), { every: 100 })
    await until('everything is heard', () => this.unheardCount === 0 || this.goneCount > 0)
  }

  leave(): void {
    for (const { socket } of this.#clients) socket.terminate()
  }

  #say(): string {
    const text = `message ${++this.#lastId}`
    this.#said.set(text, performance.now())
    return text
  }

  #heard(text: string): void {
    const since = this.#said.get(text)
    if (since === undefined) return
    this.#said.delete(text)
    this.#latencies.push(performance.now() - since)
  }

  #push(uid: string): void {
    const pushed = this.#pushed(uid).finally(() => this.#pushes.delete(pushed))
    this.#pushes.add(pushed)
  }

  /**
   * Resolves to whether the node took the push. If not, nobody has to receive it: the node may hang up on the caller to
   * make room.
   */
  async #pushed(uid: string): Promise<boolean> {
    const message = this.#say()
    const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ uid, message })
    const isTaken = await fetch(`${this.#url}/api/push`, { method: 'POST', headers, body })
      .then(async (answer) => (await answer.text(), answer.ok))
      .catch(() => false)
    if (!isTaken) this.#said.delete(message)
    return isTaken
  }
}
