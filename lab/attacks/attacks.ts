import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateRawSync } from 'node:zlib'
import { exchange, head, tcp, upgrade } from '../../test/attacks/wire.ts'
import { API_KEY } from '../../test/standalone/api-call.ts'
import { until } from '../../test/support/until.ts'
import { hasEnded, type Hostile } from './hostile.ts'

/**
 * The configuration of a node under attack: generous enough for ordinary clients, tight enough for an attack to hit a
 * limit.
 */
export const usualConfig = {
  maxConnections: 200,
  maxConnectionsPerIp: 20,
  maxHandshakes: 200,
  maxMessagesPerSecond: 100,
  trustProxy: ['127.0.0.1'],
  compression: true,
}

/**
 * Short deadlines, so that slow attacks meet them before the attack is over. Only these attacks have them, because on a
 * busy machine honest clients could miss them.
 */
const impatient = { handshakeTimeout: 5_000, requestTimeout: 5_000 }

export interface Attack {
  readonly name: string
  /** The only ways in which an attempt may end: see `Hostile.note`. */
  readonly outcomes: readonly string[]
  /** How often exactly an outcome must occur, if a limit determines that. */
  readonly counts?: Readonly<Record<string, number>>
  /** Configuration of its node, on top of `usualConfig`. */
  readonly config?: Readonly<Record<string, unknown>>
  /**
   * The node checks tokens with published keys, and their endpoint fails once the ordinary clients are connected. The
   * attacker's token names a key that nobody knows.
   */
  readonly failsKeys?: true
  /** Runs in the hostile process until `hostile.isOver`. */
  run(hostile: Hostile): Promise<void>
}

const message = Buffer.alloc(100, 'x')
/** A megabyte of JSON that once took a parser ten times as long, because it contains a key that must not be copied. */
const expensiveCommand = `{"data":[${'0,'.repeat(524_000)}0],"cmd":"__proto__"}`

export const attacks: readonly Attack[] = [
  {
    name: 'half-open',
    outcomes: ['cut off'],
    config: impatient,
    run: (hostile) => hostile.crowd(400, async () => hostile.drip(await tcp(hostile.url), '')),
  },
  {
    name: 'slow heads',
    outcomes: ['cut off'],
    config: impatient,
    run: (hostile) =>
      hostile.crowd(400, async () => {
        const socket = await tcp(hostile.url)
        socket.write('GET /echo HTTP/1.1\r\nHost: x\r\nA: ')
        await hostile.drip(socket, 'x')
      }),
  },
  {
    name: 'slow bodies',
    outcomes: ['cut off'],
    config: impatient,
    run: (hostile) =>
      hostile.crowd(200, async () => {
        const socket = await tcp(hostile.url)
        socket.write(head('POST /api/push', { Host: 'x', 'Content-Length': '100000' }, '{'))
        await hostile.drip(socket, ' ')
      }),
  },
  {
    name: 'too many connections',
    outcomes: ['101', '429'],
    counts: { '101': usualConfig.maxConnectionsPerIp },
    async run(hostile) {
      const headers = { ...hostile.headers, 'X-Forwarded-For': '7.7.7.7' }
      const held: Socket[] = []
      await hostile.crowd(50, async () => {
        const socket = await tcp(hostile.url)
        socket.write(upgrade('/echo', headers))
        const [answer] = (await once(socket, 'data')) as [Buffer]
        hostile.noteStatus(answer.toString('latin1'))
        held.push(socket)
      })
      for (const socket of held) socket.destroy()
    },
  },
  {
    name: 'bad tokens',
    outcomes: ['401', '429'],
    run: (hostile) =>
      hostile.crowd(20, async () => {
        const headers = { Authorization: `${hostile.headers.Authorization}x` }
        hostile.noteStatus(await exchange(hostile.url, upgrade('/echo', headers)))
      }),
  },
  {
    name: 'huge tokens',
    outcomes: ['401', '429'],
    run: (hostile) =>
      hostile.crowd(20, async () => {
        const headers = { Authorization: `Bearer ${'e30'.repeat(4_000)}.e30.AA` }
        hostile.noteStatus(await exchange(hostile.url, upgrade('/echo', headers)))
      }),
  },
  {
    name: 'wrong keys',
    outcomes: ['401', '429'],
    run: (hostile) =>
      hostile.crowd(10, async () => {
        const stranger = { Host: 'x', 'X-Forwarded-For': '7.7.7.7', Authorization: 'Bearer wrong' }
        const headers = { ...stranger, Connection: 'close', 'Content-Length': '2' }
        hostile.noteStatus(await exchange(hostile.url, head('POST /api/push', headers, '{}')))
      }),
  },
  {
    name: 'large bodies',
    outcomes: ['413', 'cut off'],
    async run(hostile) {
      const body = 'x'.repeat(5_000_000)
      const headers = {
        Host: 'x',
        Authorization: `Bearer ${API_KEY}`,
        'Content-Type': 'application/json',
        Connection: 'close',
        'Content-Length': String(body.length),
      }
      const request = head('POST /api/push', headers, body)
      await hostile.crowd(4, async () => hostile.noteStatus(await exchange(hostile.url, request)))
    },
  },
  {
    name: 'messages',
    outcomes: ['1008', 'cut off'],
    run: (hostile) => hostile.crowd(10, () => hostile.flood((client) => client.sendMany(message, 200))),
  },
  {
    name: 'pings',
    outcomes: ['1008', 'cut off'],
    run: (hostile) => hostile.crowd(10, () => hostile.flood((client) => client.sendMany(message, 200, { opcode: 9 }))),
  },
  {
    name: 'pieces',
    outcomes: ['1008', 'cut off'],
    async run(hostile) {
      const piece = Buffer.from('x')
      await hostile.crowd(10, () =>
        hostile.flood((client) => {
          client.send('', { fin: false })
          client.sendMany(piece, 17_000, { opcode: 0, fin: false })
        }),
      )
    },
  },
  {
    name: 'bombs',
    outcomes: ['1009', 'cut off'],
    async run(hostile) {
      const bomb = deflateRawSync(Buffer.alloc(50_000_000))
      await hostile.crowd(5, async () => {
        using client = await hostile.open('/echo', { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
        client.send(bomb, { rsv1: true })
        await hostile.noteEnd(client)
      })
    },
  },
  {
    name: 'too large',
    outcomes: ['1009', 'cut off'],
    async run(hostile) {
      const message = Buffer.alloc(2_000_000)
      await hostile.crowd(5, async () => {
        using client = await hostile.open()
        client.send(message)
        await hostile.noteEnd(client)
      })
    },
  },
  {
    name: 'slow readers',
    outcomes: ['4408'],
    async run(hostile) {
      const message = Buffer.alloc(60_000, 'x')
      await hostile.crowd(5, async () => {
        using client = await hostile.open()
        // A slow node may have written little by the time this client reads again, and the kernel then buffers more for
        // it. In that case the client tries again with twice as many messages.
        for (let [size, asked] = [120, 120]; !hasEnded(client); size *= 2, asked += size) {
          client.pause()
          for (let n = 0; n < size && !client.isClosed; n++) {
            client.send(message)
            await sleep(8)
          }
          client.resume()
          await until('it is answered', () => hasEnded(client) || client.frames.length >= asked)
        }
        await hostile.noteEnd(client)
      })
    },
  },
  {
    name: 'dear JSON',
    outcomes: ['answered'],
    run: (hostile) => hostile.crowd(5, () => hostile.ask('/talk/room', expensiveCommand)),
  },
  {
    name: 'dear JSON compressed',
    outcomes: ['answered'],
    async run(hostile) {
      const small = deflateRawSync(expensiveCommand)
      await hostile.crowd(5, () => hostile.ask('/talk/room', small, { rsv1: true }))
    },
  },
  {
    name: 'kept alive',
    outcomes: ['cut off', 'left alone'],
    run: (hostile) =>
      hostile.crowd(400, async () => {
        const socket = await tcp(hostile.url)
        socket.resume()
        while (!socket.closed && !hostile.isOver) {
          socket.write(head('GET /healthz', { Host: 'x' }))
          await sleep(100)
        }
        hostile.note(socket.closed ? 'cut off' : 'left alone')
        socket.destroy()
      }),
  },
  {
    name: 'strangers in the places of guests',
    outcomes: ['401', '429', 'let in'],
    config: { maxConnections: 20 },
    async run(hostile) {
      const bad = upgrade('/echo', { Authorization: 'Bearer bad' })
      await Promise.all([
        hostile.crowd(20, async () => hostile.noteStatus(await exchange(hostile.url, bad))),
        hostile.crowd(1, async () => {
          using guest = await hostile.open('/echo', { 'X-Forwarded-For': '7.7.7.7' })
          hostile.note(guest.answer.startsWith('HTTP/1.1 101') ? 'let in' : 'shut out')
        }),
      ])
    },
  },
  {
    name: 'keys that are away',
    outcomes: ['401', '429', '503'],
    failsKeys: true,
    run: (hostile) =>
      hostile.crowd(20, async () => hostile.noteStatus(await exchange(hostile.url, upgrade('/echo', hostile.headers)))),
  },
  {
    name: 'other spellings of a path',
    outcomes: ['400', '429'],
    run: (hostile) =>
      hostile.crowd(20, async () => {
        for (const path of ['/%65cho', '/talk/../echo', '/talk/%2e%2e', '//x/echo', '/talk/a%2Fb', '/talk/%FF'])
          hostile.noteStatus(await exchange(hostile.url, upgrade(path, hostile.headers)))
      }),
  },
  {
    name: 'large handshakes',
    outcomes: ['101'],
    config: { maxConnections: 2_000, maxConnectionsPerIp: 0, maxConnectionsPerUid: 2_000 },
    async run(hostile) {
      const large = { ...hostile.headers, 'X-Large': 'x'.repeat(11_000) }
      const held: Socket[] = []
      for (let n = 0; n < 1_000; n++) {
        const socket = await tcp(hostile.url)
        socket.write(upgrade(`/talk/${'r'.repeat(2_000)}`, large))
        const [answer] = (await once(socket, 'data')) as [Buffer]
        hostile.noteStatus(answer.toString('latin1'))
        held.push(socket)
      }
      for (const socket of held) socket.destroy()
    },
  },
]
