import { type Command, Redis, type RedisOptions } from 'ioredis'
import { Door, type OpenSentinel, type Prepare, SentinelDoor, type Stream } from './doors.ts'
import { isForbidden, isLockedOut, NoRedisError, ReplyError, SilentError } from './refusal.ts'

type SentItem = Parameters<Redis['handleReconnection']>[1]
type DataListener = (chunk: Buffer) => void

/** Commands without which a connection would lead to something else than was asked for. */
const ENTRY: ReadonlySet<string> = new Set(['auth', 'select'])
const [PLUS, MINUS, PUSH] = [0x2b, 0x2d, 0x3e]

/**
 * Every connection to a Redis or a sentinel is one of these. By itself, ioredis goes on when Redis refuses the database,
 * and for some reasons the password; its errors carry the arguments of their commands, which are passwords and messages;
 * a server that says what nobody asked makes it throw where nobody can catch that; and what nobody listens to is printed.
 * Here all that goes wrong is an `error` event or the rejection of a command, and holds no more than what Redis said.
 */
export class Link extends Redis {
  /** Whether it is known how the connection that is being made has turned out. */
  #isTold = false
  #isReading = false
  #isEmptied = false
  #refusedStream: Stream | undefined
  #sentinelError: Error | undefined

  constructor(options: RedisOptions, openSentinel?: OpenSentinel) {
    // The connector is made before there is a `this`, and opens nothing until then.
    const made: { link?: Link } = {}
    const Connector = connectorOf((stream) => made.link!.#screen(stream), openSentinel)
    super({ ...options, replyMapping: 'legacy', Connector })
    made.link = this
    this.on('connecting', () => {
      this.#isTold = false
    })
    this.on('ready', () => {
      this.#isTold = true
    })
    this.on('error', () => {
      this.#isTold = true
    })
    this.on('close', () => {
      if (!this.#isTold) this.emit('error', new SilentError('the connection was closed'))
    })
  }

  override disconnect(reconnect = false): void {
    if (!reconnect) this.#isTold = true
    super.disconnect(reconnect)
  }

  override sendCommand(command: Command, stream?: Parameters<Redis['sendCommand']>[1]): unknown {
    if (this.status === 'connect') this.#guard(command)
    return super.sendCommand(command, stream)
  }

  override handleReconnection(error: Error, item: SentItem): void {
    const said = new ReplyError(error.message)
    if (item === this.#unasked) this.#leave(said)
    else super.handleReconnection(said, item)
  }

  override silentEmit(event: string, argument?: unknown): boolean {
    return super.silentEmit(event, argument instanceof Error ? this.#translated(event, argument) : argument)
  }

  /** Of what is sent while the connection is being made. A command that never settles keeps ioredis from calling it ready. */
  #guard(command: Command): void {
    const { name, reject } = command
    command.reject = (error: Error) => {
      if (error instanceof ReplyError && (ENTRY.has(name) || isLockedOut(error))) this.#refused(error.message, name)
      else if (ENTRY.has(name)) this.disconnect(true)
      // It only asks whether Redis is loading, which a command would be told as well.
      else if (name === 'info' && isForbidden(error)) command.resolve('')
      else reject.call(command, error)
    }
  }

  #refused(message: string, command: string): void {
    // What else was sent is refused along with it.
    if (this.#refusedStream === this.stream) return
    this.#refusedStream = this.stream
    const error = new ReplyError(message, command)
    this.recoverFromFatalError(error, error, {})
  }

  #translated(event: string, error: Error): Error {
    if (event === 'sentinelError') return (this.#sentinelError = error)
    if (error.message.startsWith('All sentinels are unreachable'))
      return new Error(`no sentinel names a master: ${this.#sentinelError?.message ?? error.message}`)
    return this.status !== 'ready' && this.#isSilence(error) ? new SilentError(error.message) : error
  }

  /** A server that expects TLS drops what is none, and one that expects none may wait for the end of what is. */
  #isSilence(error: Error): boolean {
    const code = 'code' in error ? error.code : undefined
    return code === 'ECONNRESET' || (code === 'ETIMEDOUT' && this.options.tls !== undefined)
  }

  /** Lets ioredis read what answers a command, and nothing else. */
  #screen(stream: Stream): void {
    const prepend = stream.prependListener.bind(stream) as (event: string, listener: DataListener) => Stream
    let isFirst = true
    const screened = (listener: DataListener): DataListener => {
      this.#standIn()
      return (chunk) => {
        const flaw = this.#flawIn(chunk, isFirst)
        isFirst = false
        if (flaw !== undefined) return void stream.destroy(flaw)
        this.#isReading = true
        listener(chunk)
        this.#isReading = false
      }
    }
    stream.prependListener = ((event: string, listener: DataListener) =>
      prepend(event, event === 'data' ? screened(listener) : listener)) as typeof stream.prependListener
  }

  #flawIn(chunk: Buffer, isFirst: boolean): Error | undefined {
    const [type] = chunk
    const isAsked = this.commandQueue.length > 0 || Boolean(this.condition?.subscriber)
    if (!isAsked && type === MINUS) return new ReplyError(chunk.toString('latin1', 1).split('\r\n')[0] ?? '')
    if (!isAsked) return new NoRedisError('it says what nobody asked')
    // The first commands are answered with OK or an error, and only RESP3 knows pushes.
    const isStrange = isFirst ? type !== PLUS && type !== MINUS : type === PUSH
    return isStrange ? new NoRedisError('its answer is not RESP') : undefined
  }

  /** Lets an answer that no command waits for meet a command all the same. */
  #standIn(): void {
    const queue = this.commandQueue
    const shift = queue.shift.bind(queue)
    queue.shift = () => {
      const item = shift()
      if (item !== undefined || !this.#isReading) return item
      const isEnd = this.#isEmptied
      this.#isEmptied = false
      return isEnd ? undefined : this.#unasked
    }
  }

  readonly #unasked = {
    command: {
      name: '',
      args: [],
      resolve: () => this.#leave(new NoRedisError('it answers more than it was asked')),
      // Somebody empties the queue, and this is its end.
      reject: () => void (this.#isEmptied = true),
    },
  } as unknown as SentItem

  #leave(why: Error): void {
    // Having refused one command it may still answer others.
    if (this.#refusedStream !== this.stream) this.stream.destroy(why)
  }
}

type Connector = NonNullable<RedisOptions['Connector']>

function connectorOf(prepare: Prepare, openSentinel?: OpenSentinel): Connector {
  return openSentinel === undefined ? doorFor(prepare) : sentinelDoorFor(prepare, openSentinel)
}

function doorFor(prepare: Prepare): Connector {
  return class extends Door {
    constructor(options: unknown) {
      super(options as RedisOptions, prepare)
    }
  }
}

function sentinelDoorFor(prepare: Prepare, open: OpenSentinel): Connector {
  return class extends SentinelDoor {
    constructor(options: unknown) {
      super(options as RedisOptions, prepare, open)
    }
  }
}
