import { type Command, Redis, type RedisOptions } from 'ioredis'
import { Door, type OpenSentinel, type Prepare, SentinelDoor, type Stream } from './doors.ts'
import { isUnreachable, messageOf } from './fault.ts'
import { isForbidden, isLockedOut, NamedServerError, NoRedisError, ReplyError, SilentError } from './refusal.ts'

type SentItem = Parameters<Redis['handleReconnection']>[1]
type DataListener = (chunk: Buffer) => void

/**
 * If one of these commands fails, the connection must not be used: it would lead to another database, or have another
 * user.
 */
const SETUP_COMMANDS: ReadonlySet<string> = new Set(['auth', 'select'])
const [PLUS, MINUS, PUSH] = [0x2b, 0x2d, 0x3e]
/** The first byte of an alert (RFC 8446 §5.1). A server that expects TLS may send one to a client without it. */
const TLS_ALERT = 0x15

/**
 * Every connection to a Redis or a sentinel is a `Link`. ioredis alone would have these faults: it goes on if Redis
 * refuses the database, or, for some reasons, the password; its errors contain the arguments of their commands, which
 * are passwords and messages; it throws where nobody can catch it if a server says what nobody asked for; and it prints
 * errors that nobody listens to. A `Link` reports every failure as an `error` event or as the rejection of a command,
 * and its errors hold no more than what Redis said.
 */
export class Link extends Redis {
  /** Whether the outcome of the current attempt to connect was reported. */
  #isReported = false
  #isReading = false
  #isEmptied = false
  #refusedStream: Stream | undefined
  #sentinelError: Error | undefined
  /** Why the last connection to a sentinel failed. `#sentinelError` only repeats its message. */
  #sentinelFault: Error | undefined

  constructor(options: RedisOptions, openSentinel?: OpenSentinel) {
    // The connector is made before `this` exists, but opens nothing before then.
    const made: { link?: Link } = {}
    const noteFault = (error: Error): void => {
      made.link!.#sentinelFault = error
    }
    const Connector = connectorOf(
      (stream) => made.link!.#screen(stream),
      openSentinel && ((sentinel, more) => openSentinel(sentinel, more).on('error', noteFault)),
    )
    super({ ...options, replyMapping: 'legacy', Connector })
    made.link = this
    this.on('connecting', () => {
      this.#isReported = false
      this.#sentinelFault = undefined
    })
    this.on('ready', () => {
      this.#isReported = true
    })
    this.on('error', () => {
      this.#isReported = true
    })
    this.on('close', () => {
      if (!this.#isReported) this.emit('error', new SilentError('the connection was closed'))
    })
  }

  override disconnect(reconnect = false): void {
    if (!reconnect) this.#isReported = true
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

  /**
   * Guards a command that is sent while the connection is being made. As long as one of these has not settled, ioredis
   * does not call the connection ready.
   */
  #guard(command: Command): void {
    const { name, reject } = command
    command.reject = (error: Error) => {
      if (error instanceof ReplyError && (SETUP_COMMANDS.has(name) || isLockedOut(error)))
        this.#refused(error.message, name)
      else if (SETUP_COMMANDS.has(name)) this.disconnect(true)
      // This INFO only asks whether Redis is loading, which any command would report as well.
      else if (name === 'info' && isForbidden(error)) command.resolve('')
      else reject.call(command, error)
    }
  }

  #refused(message: string, command: string): void {
    // The other commands of this connection are refused as well: one error is enough.
    if (this.#refusedStream === this.stream) return
    this.#refusedStream = this.stream
    const error = new ReplyError(message, command)
    this.recoverFromFatalError(error, error, {})
  }

  #translated(event: string, error: Error): Error {
    if (event === 'sentinelError') return (this.#sentinelError = error)
    if (error.message.startsWith('All sentinels are unreachable')) return this.#noMaster(error)
    if (this.options.sentinels && isUnreachable(error)) return new NamedServerError(error.message, { cause: error })
    return this.status !== 'ready' && this.#isSilence(error) ? new SilentError(error.message) : error
  }

  #noMaster({ message }: Error): Error {
    const said = this.#sentinelError?.message ?? message
    const fault = this.#sentinelFault
    if (fault !== undefined && said.includes('Connection is closed'))
      return new Error(`no sentinel names a master: ${messageOf(fault)}`, { cause: fault })
    return new Error(`no sentinel names a master: ${said}`)
  }

  /**
   * A server that expects TLS closes a connection without it. A server without TLS may wait for the rest of the
   * handshake.
   */
  #isSilence(error: Error): boolean {
    const code = 'code' in error ? error.code : undefined
    return code === 'ECONNRESET' || (code === 'ETIMEDOUT' && this.options.tls !== undefined)
  }

  /** Lets ioredis read answers to commands, and nothing else. */
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
    if (type === TLS_ALERT) return new SilentError('it answers with an alert of TLS')
    if (!isAsked) return new NoRedisError('it sent something that nobody asked for', beginningOf(chunk))
    // The first commands are answered with OK or an error. Only RESP3 has pushes.
    const isStrange = isFirst ? type !== PLUS && type !== MINUS : type === PUSH
    return isStrange ? new NoRedisError('its answer is not RESP', beginningOf(chunk)) : undefined
  }

  /** Lets `#unasked` take an answer that no command waits for: otherwise ioredis would throw. */
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
      resolve: () => this.#leave(new NoRedisError('it sent more answers than there were commands', '')),
      // ioredis rejects all commands of the queue: this is the end of it.
      reject: () => void (this.#isEmptied = true),
    },
  } as unknown as SentItem

  #leave(why: Error): void {
    // A server that has refused one command may still answer others.
    if (this.#refusedStream !== this.stream) this.stream.destroy(why)
  }
}

function beginningOf(chunk: Buffer): string {
  return chunk.toString('latin1', 0, 16)
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
