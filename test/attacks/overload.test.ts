import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SECRET, tokenFor } from '../standalone/api-call.ts'
import { startFlotilla, temporaryFolder } from '../standalone/flotilla.ts'
import { Child } from '../support/child.ts'
import { connect, type TestClient } from '../support/connect.ts'

const attacker = fileURLToPath(new URL('attacker.ts', import.meta.url))

/** What the server is told: enough for ordinary clients, and little enough to be reached within a test. */
const config = {
  maxConnections: 200,
  maxConnectionsPerIp: 20,
  maxHandshakes: 200,
  maxMessagesPerSecond: 100,
  handshakeTimeout: 1_000,
  requestTimeout: 1_000,
  trustProxy: ['127.0.0.1'],
  compression: true,
}
const KEY = 'the-key'
const MAX_MEMORY = 384 * 2 ** 20
/** ms at the 99th percentile, beyond what it takes while nobody attacks: others may use the machine as well. */
const MAX_LATENCY = 250

/** What each of them comes to, and nothing else. */
const attacks: readonly [name: string, outcomes: readonly string[]][] = [
  ['half-open', ['cut off']],
  ['slow heads', ['cut off']],
  ['slow bodies', ['cut off']],
  ['too many connections', ['101', '429']],
  ['bad tokens', ['401', '429']],
  ['wrong keys', ['401']],
  ['large bodies', ['413', 'cut off']],
  ['messages', ['1008']],
  ['pings', ['1008', 'cut off']],
  ['pieces', ['1008', 'cut off']],
  ['bombs', ['1009']],
  ['too large', ['1009']],
  ['slow readers', ['4408']],
]

test('under attack a node refuses as documented, keeps its memory bounded, and serves everyone else in time', async (t) => {
  const file = join(await temporaryFolder(t), 'flotilla.json')
  await writeFile(file, JSON.stringify(config))
  const flags = ['--port=0', '--log-level=silent', '--echo', `--token-secret=${SECRET}`, `--api-key=${KEY}`]
  const { url, child } = await startFlotilla(t, [...flags, '--config', file])
  const people = await People.connect(url)
  t.after(() => people.leave())
  const calm = new Memory(child.pid!)
  await people.live(1_000)
  const [base, usual] = [calm.stop(), people.latency]
  const bound = MAX_LATENCY + usual
  for (const [name, expected] of attacks)
    await t.test(name, async (tt) => {
      const token = await tokenFor('eve')
      const attack = async (): Promise<number> => {
        const memory = new Memory(child.pid!)
        const outcomes = await attacked(people, [name, url, token])
        const grown = memory.stop() - base
        const { latency, count } = people
        const said = JSON.stringify(outcomes)
        tt.diagnostic(`${said} +${Math.round(grown / 2 ** 20)} MiB, p99 ${Math.round(latency)} ms of ${count}`)
        assert.ok(Object.keys(outcomes).length > 0, 'something happened')
        for (const outcome of Object.keys(outcomes)) assert.ok(expected.includes(outcome), said)
        if (name === 'too many connections') assert.equal(outcomes['101'], config.maxConnectionsPerIp)
        assert.ok(grown < MAX_MEMORY, `${grown} bytes more`)
        assert.ok(count > 50)
        return latency
      }
      // What else the machine does may well take a quarter of a second, but hardly twice.
      const latency = await attack()
      if (latency >= bound) assert.ok((await attack()) < bound, `${latency} ms, and again; else ${usual} ms`)
    })
  assert.ok(people.areAllThere)
})

/** How an attack ended, while people went on living. */
async function attacked(people: People, args: readonly string[]): Promise<Record<string, number>> {
  const hostile = new Child(process.execPath, ['--import', import.meta.resolve('tsx'), attacker, ...args])
  const over = hostile.exited.then(() => false)
  people.forget()
  while (await Promise.race([people.live(100).then(() => true), over]));
  assert.equal((await hostile.exited).code, 0, hostile.stderr)
  return JSON.parse(/^(.*)$/m.exec(hostile.stdout)?.[1] ?? '{}') as Record<string, number>
}

/** Resident memory of a process, looked at now and then. */
class Memory {
  readonly #pid: number
  readonly #timer: NodeJS.Timeout
  #most = 0

  constructor(pid: number) {
    this.#pid = pid
    this.#timer = setInterval(() => this.#look(), 50)
  }

  /** The most that it was. */
  stop(): number {
    clearInterval(this.#timer)
    this.#look()
    return this.#most
  }

  #look(): void {
    const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#pid}/status`, 'utf8'))?.[1])
    this.#most = Math.max(this.#most, kilobytes * 1_024)
  }
}

const COUNT = 10

/** Ordinary clients: each says something now and then and hears it again, and each is pushed to. */
class People {
  readonly #clients: readonly TestClient[]
  readonly #url: string
  #latencies: number[] = []
  #next = 0

  static async connect(url: string): Promise<People> {
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
    for (const { socket } of clients)
      socket.on('message', (data: Buffer) => this.#latencies.push(performance.now() - Number(data.toString())))
  }

  get count(): number {
    return this.#latencies.length
  }

  get latency(): number {
    return this.#latencies.toSorted((a, b) => a - b)[Math.floor(this.count * 0.99)] ?? Number.POSITIVE_INFINITY
  }

  get areAllThere(): boolean {
    return this.#clients.every(({ socket }) => socket.readyState === socket.OPEN)
  }

  forget(): void {
    this.#latencies = []
  }

  /** For so many ms: every 10 ms two speak, and now and then one is pushed to. */
  async live(duration: number): Promise<void> {
    const end = performance.now() + duration
    while (performance.now() < end) {
      const n = this.#next++ % COUNT
      for (const speaker of [n, (n + 5) % COUNT]) this.#clients[speaker]!.send(String(performance.now()))
      if (n % 2 === 0) this.#push(`p${(n + 1) % COUNT}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  leave(): void {
    for (const { socket } of this.#clients) socket.terminate()
  }

  #push(uid: string): void {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ uid, message: String(performance.now()) })
    // What becomes of it is told by the one who gets it.
    void fetch(`${this.#url}/api/push`, { method: 'POST', headers, body })
      .then((answer) => answer.text())
      .catch(() => {})
  }
}
