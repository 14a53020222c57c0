// A hostile program of its own, so that it takes no time from those who measure: `attacker.ts ATTACK URL TOKEN`. It
// attacks for a while, then prints what the server did to it, as `{"outcome": count}`.
import { deflateRawSync } from 'node:zlib'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { RawClient } from '../support/raw-client.ts'
import { exchange, head, tcp, upgrade } from './wire.ts'

const [attack = '', url = '', token = ''] = process.argv.slice(2)
const DURATION = 1_200
/** A deadline of a second, on a machine that others use as well. */
const PATIENCE = 10_000
const end = performance.now() + DURATION
const outcomes = new Map<string, number>()

function note(outcome: string): void {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
}

/** The status of an answer, or that there was none. */
function noteStatus(answer: string): void {
  note(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 'cut off')
}

/** So many at a time, again and again until the time is over. */
async function crowd(size: number, work: () => Promise<void>): Promise<void> {
  const one = async (): Promise<void> => {
    while (performance.now() < end) await work().catch(() => note('cut off'))
  }
  await Promise.all(Array.from({ length: size }, one))
}

/** Says something again and again until it is cut off. */
async function drip(socket: Socket, bytes: string): Promise<void> {
  // Else it may not see that the server has hung up.
  socket.resume()
  while (!socket.closed && performance.now() < end + PATIENCE) {
    if (bytes !== '') socket.write(bytes)
    await pause(100)
  }
  note(socket.closed ? 'cut off' : 'left alone')
}

async function open(path = '/echo', headers: Record<string, string> = {}): Promise<RawClient> {
  return RawClient.connect(url, path, { Authorization: `Bearer ${token}`, ...headers })
}

/** Sends as fast as the server takes it, until it is cut off; notes the code. */
async function flood(batch: (client: RawClient) => void): Promise<void> {
  using client = await open()
  while (!client.isClosed) {
    batch(client)
    await client.drained()
    // Once nothing can be sent any more, nothing else would let it hear that the server has gone.
    await nextTurn()
  }
  note(String(client.closedWith ?? 'cut off'))
}

const message = Buffer.alloc(100, 'x')
const bomb = deflateRawSync(Buffer.alloc(50_000_000))

const attacks: Readonly<Record<string, () => Promise<void>>> = {
  async 'half-open'() {
    await crowd(400, async () => drip(await tcp(url), ''))
  },
  async 'slow heads'() {
    await crowd(400, async () => {
      const socket = await tcp(url)
      socket.write('GET /echo HTTP/1.1\r\nHost: x\r\nA: ')
      await drip(socket, 'x')
    })
  },
  async 'slow bodies'() {
    await crowd(200, async () => {
      const socket = await tcp(url)
      socket.write(head('POST /api/push', { Host: 'x', 'Content-Length': '100000' }, '{'))
      await drip(socket, ' ')
    })
  },
  async 'too many connections'() {
    const held: Socket[] = []
    await crowd(50, async () => {
      const socket = await tcp(url)
      socket.write(upgrade('/echo', { Authorization: `Bearer ${token}`, 'X-Forwarded-For': '7.7.7.7' }))
      const [answer] = (await once(socket, 'data')) as [Buffer]
      noteStatus(answer.toString('latin1'))
      held.push(socket)
    })
    for (const socket of held) socket.destroy()
  },
  async 'bad tokens'() {
    await crowd(20, async () =>
      noteStatus(await exchange(url, upgrade('/echo', { Authorization: `Bearer ${token}x` }))),
    )
  },
  async 'wrong keys'() {
    await crowd(10, async () => {
      const headers = { Host: 'x', Authorization: 'Bearer wrong', Connection: 'close', 'Content-Length': '2' }
      noteStatus(await exchange(url, head('POST /api/push', headers, '{}')))
    })
  },
  async 'large bodies'() {
    await crowd(4, async () => {
      const headers = {
        Host: 'x',
        Authorization: 'Bearer the-key',
        'Content-Type': 'application/json',
        Connection: 'close',
      }
      const body = 'x'.repeat(5_000_000)
      noteStatus(
        await exchange(url, head('POST /api/push', { ...headers, 'Content-Length': String(body.length) }, body)),
      )
    })
  },
  async messages() {
    await crowd(10, () => flood((client) => client.sendMany(message, 200)))
  },
  async pings() {
    await crowd(10, () => flood((client) => client.sendMany(message, 200, { opcode: 9 })))
  },
  async pieces() {
    await crowd(10, () =>
      flood((client) => {
        client.send('', { fin: false })
        client.sendMany(Buffer.from('x'), 17_000, { opcode: 0, fin: false })
      }),
    )
  },
  async bombs() {
    await crowd(5, async () => {
      using client = await open('/echo', { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
      client.send(bomb, { rsv1: true })
      note(String(await client.closeCode()))
    })
  },
  async 'too large'() {
    await crowd(5, async () => {
      using client = await open()
      client.send(Buffer.alloc(2_000_000))
      note(String(await client.closeCode()))
    })
  },
  /** Asks for much, and reads nothing. */
  async 'slow readers'() {
    const echo = Buffer.alloc(60_000, 'x')
    await crowd(5, async () => {
      using client = await open()
      client.pause()
      for (let n = 0; n < 120; n++) {
        client.send(echo)
        await pause(8)
      }
      client.resume()
      note(String(await client.closeCode()))
    })
  },
}

const chosen = attacks[attack]
if (chosen === undefined) throw new Error(`there is no attack ${attack}: ${Object.keys(attacks).join(', ')}`)
await chosen()
process.stdout.write(`${JSON.stringify(Object.fromEntries(outcomes))}\n`)
if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
process.exit()
