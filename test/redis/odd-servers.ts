import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** How a server that is not a Redis, or an odd one, treats a connection. */
export type Behaviour = (socket: Socket) => void

/** Answers each command with the same bytes. A client sends each command as an array (RESP). */
function says(answer: string): Behaviour {
  return (socket) =>
    socket.on('data', (bytes) => {
      const count = bytes.toString('latin1').match(/\*\d+\r\n\$/g)?.length ?? 1
      socket.write(answer.repeat(count), 'latin1')
    })
}

/** Accepts a client as Redis does, and then answers each command like this. */
function lateSays(answer: string): Behaviour {
  return (socket) =>
    socket.on('data', (bytes) => {
      const commands = bytes.toString('latin1').match(/\*\d+\r\n\$\d+\r\n\w+/g) ?? []
      for (const command of commands) socket.write(/client|auth|select/i.test(command) ? '+OK\r\n' : answer, 'latin1')
    })
}

const speaks =
  (text: string): Behaviour =>
  (socket) =>
    socket.write(text, 'latin1')

export const behaviours: Readonly<Record<string, Behaviour>> = {
  'closes at once': (socket) => socket.end(),
  'resets at once': (socket) => socket.resetAndDestroy(),
  'says nothing': () => {},
  'greets as SSH does': speaks('SSH-2.0-OpenSSH_9.2\r\n'),
  'speaks bytes of chance': (socket) =>
    socket.write(Buffer.from(Array.from({ length: 999 }, (_, n) => (n * 7919) % 256))),
  echoes: (socket) => socket.pipe(socket),
  'answers more than it was asked': says('+OK\r\n$-1\r\n$-1\r\n'),
  'speaks before it is asked': speaks('$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n'),
  'pushes as RESP3 does': speaks('>1\r\n$-1\r\n>2\r\n+subscribe\r\n$-1\r\n'),
  'speaks when it is idle': (socket) => {
    lateSays('+OK\r\n')(socket)
    setInterval(() => socket.writable && socket.write('$-1\r\n'), 20).unref()
  },
  'has too many clients': (socket) => socket.end('-ERR max number of clients reached\r\n'),
  'is protected': (socket) => socket.end('-DENIED Redis is running in protected mode\r\n'),
  'is loading': says('-LOADING Redis is loading the dataset in memory\r\n'),
  'asks for a password': says('-NOAUTH Authentication required.\r\n'),
  'is a replica without its master': says('-MASTERDOWN Link with MASTER is down\r\n'),
  'knows no command': says("-ERR unknown command 'x', with args beginning with: 'the' 'arguments' \r\n"),
  'says OK to everything': says('+OK\r\n'),
  'answers with nothing': lateSays('$-1\r\n'),
  'answers with a number': lateSays(':7\r\n'),
  'answers with an empty list': lateSays('*0\r\n'),
  'answers with no list': lateSays('*-1\r\n'),
  'answers with lists in lists': lateSays('*2\r\n*1\r\n$-1\r\n*2\r\n:1\r\n*0\r\n'),
  'answers with a map': lateSays('%1\r\n+a\r\n:1\r\n'),
  'answers with a broken length': lateSays('$x\r\n'),
  'answers, and is cut off': lateSays('*3\r\n$3\r\nab'),
  'is a web server': (socket) => web.emit('connection', socket),
}

const web = createHttpServer((_, response) => response.end('<p>hello</p>'))

/** The ports of the servers, by what each server does. */
export async function startOddServers(): Promise<{ ports: ReadonlyMap<string, number>; stop(): void }> {
  const ports = new Map<string, number>()
  const servers: Server[] = []
  for (const [name, behave] of Object.entries(behaviours)) {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      behave(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports.set(name, (server.address() as AddressInfo).port)
    servers.push(server)
  }
  const stop = (): void => {
    for (const server of servers) server.close()
  }
  return { ports, stop }
}

/** Answers INFO with this text, and each other command with OK. */
export function answeringInfo(text: string): Behaviour {
  return (socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      const commands = bytes.toString('latin1').match(/\*\d+\r\n\$\d+\r\n\w+/g) ?? []
      const info = `$${text.length}\r\n${text}\r\n`
      for (const command of commands) socket.write(/info$/i.test(command) ? info : '+OK\r\n')
    })
  }
}
