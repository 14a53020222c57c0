import { type Fault, faultOf, isNoTls, isUnreachable, messageOf } from './fault.ts'

/** An error that Redis answered. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError'
  /** The command that was refused, if nobody is let in without it. */
  readonly setupCommand: string | undefined

  /**
   * Redis, or a proxy in front of it, may repeat the arguments of a command that it does not know: a password, or a
   * message.
   */
  constructor(message: string, setupCommand?: string) {
    super(message.replace(/,? with args beginning with:.*$/s, ''))
    this.setupCommand = setupCommand
  }
}

/** Refusals by the first word of what Redis says. */
const BY_CODE: Readonly<Record<string, Fault>> = {
  LOADING: { advice: 'Redis is still loading its data: wait until it is done' },
  READONLY: {
    advice: 'this Redis is a replica and takes no writes: give the address of its master, or of its sentinels',
  },
  MASTERDOWN: {
    advice: 'this Redis is a replica that has lost its master: give the address of the master, or of its sentinels',
  },
  UNBLOCKED: { advice: 'this Redis has just become a replica: try again' },
  CLUSTERDOWN: { advice: 'the Redis Cluster does not serve every slot: bring its masters back, or replace them' },
  TRYAGAIN: { advice: 'the Redis Cluster is moving this slot: wait until the migration has ended' },
  MOVED: { advice: 'the slots of the Redis Cluster keep moving: let its members agree' },
  ASK: { advice: 'the slots of the Redis Cluster keep moving: let its members agree' },
  NOREPLICAS: {
    advice: 'Redis has too few replicas that are up to date: bring them back, or lower min-replicas-to-write',
  },
  OOM: { advice: 'Redis is out of memory: raise maxmemory' },
  MISCONF: {
    advice: 'Redis cannot save to its disk, so it refuses writes: make room on the disk, and read the log of Redis',
  },
  BUSY: { advice: 'Redis is busy with a script: try again' },
  NOAUTH: { advice: 'Redis asks for a password: put it in the URL', lasts: true },
  WRONGPASS: { advice: 'Redis does not know this user or password: correct the URL', lasts: true },
  NOPERM: { advice: 'this Redis user lacks a right: give it the rights that docs/redis.md lists', lasts: true },
  CROSSSLOT: {
    advice: 'this Redis spreads its keys over several servers: write redis+cluster:// in the URL',
    lasts: true,
  },
  DENIED: { advice: 'Redis is in protected mode: give it a password, or bind it to another address', lasts: true },
}

/** Refusals by the whole message: from Redis with the code ERR, from Node, or from ioredis or us. */
const BY_MESSAGE: readonly (readonly [RegExp, Fault])[] = [
  [/^ERR max number of clients/, { advice: 'Redis takes no more clients: raise maxclients' }],
  [
    /^ERR .*cluster support disabled/,
    { advice: 'this Redis is not a cluster: write redis:// in the URL', lasts: true },
  ],
  [
    /sentinel .* (?:invalid reply: null|No such master)/,
    { advice: 'the sentinels know no master of this name: correct the name in the URL', lasts: true },
  ],
  [
    /sentinel.* unknown command/i,
    {
      advice: 'the server at this address is not a sentinel: correct the address, or write redis:// in the URL',
      lasts: true,
    },
  ],
  [
    /sentinel.* (?:NOAUTH|WRONGPASS|NOPERM|ERR AUTH)/,
    {
      advice:
        'a sentinel does not accept this user and password: correct sentinelUsername and sentinelPassword in the URL',
      lasts: true,
    },
  ],
  [
    /^ERR unknown command.*cluster/i,
    {
      advice: 'this server is not a cluster: write redis:// in the URL, or redis+sentinel:// if it is a sentinel',
      lasts: true,
    },
  ],
]

const BY_SETUP_COMMAND: Readonly<Record<string, Fault>> = {
  auth: { advice: 'Redis does not accept this user and password: correct them in the URL', lasts: true },
  select: { advice: 'Redis does not open this database: correct its number in the URL', lasts: true },
}

const NO_REDIS = 'the server at this address does not answer as Redis does: correct the host and port in the URL'
const WEB_SERVER = 'a web server answers at this address, not Redis: correct the host and port in the URL'
const SILENT: Fault = {
  advice: 'the server at this address says nothing: write rediss:// in the URL if it uses TLS, redis:// if it does not',
}
const NAMED: Fault = {
  advice:
    'the sentinels or the cluster name a server that cannot be reached from here: bring it back, or give natMap if this is its address in another network, such as that of its container',
}

/** The server is none that this URL can be meant for. */
export class MisfitError extends Error {
  override readonly name: string = 'MisfitError'
  readonly advice: string

  /** @param found what the advice was concluded from */
  constructor(advice: string, found: string) {
    super(found)
    this.advice = advice
  }
}

/** Something other than Redis has answered. */
export class NoRedisError extends MisfitError {
  override readonly name = 'NoRedisError'

  constructor(found: string, answer: string) {
    super(isOfWebServer(answer) ? WEB_SERVER : NO_REDIS, found)
  }
}

export function isOfWebServer(answer: string): boolean {
  return /^(HTTP\/|<)/i.test(answer)
}

/** A server could not be reached at the address that a sentinel or a member of the cluster gave for it. */
export class NamedServerError extends Error {
  override readonly name = 'NamedServerError'
}

/** Whether no server is there, so that none refuses anything. */
export function isGone(error: Error): boolean {
  return isUnreachable(error) || (error.cause instanceof Error && isGone(error.cause))
}

/** The connection was closed without an answer. */
export class SilentError extends Error {
  override readonly name = 'SilentError'
}

const FROM_REPLICA = new Set(['READONLY', 'MASTERDOWN', 'UNBLOCKED'])

/** Whether the same command may succeed a moment later. */
export function isPassingRefusal(error: Error): boolean {
  return codeOf(error) in BY_CODE
}

/** Whether another server is the master now: this one will not become it again soon. */
export function isFromReplica(error: Error): boolean {
  return FROM_REPLICA.has(codeOf(error))
}

export function isTryAgain(error: unknown): boolean {
  return error instanceof Error && codeOf(error) === 'TRYAGAIN'
}

/** Whether Redis refuses everything on this connection, whatever was asked. */
export function isLockedOut(error: Error): boolean {
  return ['NOAUTH', 'DENIED'].includes(codeOf(error)) || error.message.startsWith('ERR max number of clients')
}

/** Whether the user lacks the right to this command. It may have the right to others. */
export function isForbidden(error: Error): boolean {
  return codeOf(error) === 'NOPERM'
}

/** Whether this server is a member of a cluster that was addressed as a single Redis. */
export function isRedirection(error: unknown): boolean {
  return error instanceof Error && ['MOVED', 'ASK'].includes(codeOf(error))
}

/** Whether waiting does not help. */
export function isLasting(error: Error): boolean {
  return refusalOf(error)?.lasts === true
}

/**
 * For the person who runs it: what is wrong, what to do, and what Redis said. Undefined if the error is not a known
 * one.
 */
export function adviceOn(error: Error | undefined): string | undefined {
  const refusal = error === undefined ? undefined : refusalOf(error)
  if (error === undefined || refusal === undefined) return undefined
  return `${refusal.advice} (${error instanceof ReplyError ? 'Redis said: ' : ''}${messageOf(error)})`
}

/** Whether to ask the server the other way, with TLS or without: by itself, the error does not say what is wrong. */
export function isObscure(error: Error): boolean {
  const { cause } = error
  if (error instanceof SilentError || isNoTls(error) || refusalOf(error) === undefined) return true
  return cause instanceof Error && isObscure(cause)
}

function refusalOf(error: Error): Fault | undefined {
  if (error instanceof MisfitError) return { advice: error.advice, lasts: true }
  if (error instanceof SilentError) return SILENT
  if (error instanceof NamedServerError) return NAMED
  const byCode = BY_CODE[codeOf(error)]
  if (byCode !== undefined) return byCode
  const byMessage = BY_MESSAGE.find(([pattern]) => pattern.test(error.message))
  if (byMessage !== undefined) return byMessage[1]
  if (error instanceof ReplyError && error.setupCommand !== undefined) return BY_SETUP_COMMAND[error.setupCommand]
  return faultOf(error) ?? (error.cause instanceof Error ? refusalOf(error.cause) : undefined)
}

/** The first word. Redis 6.2 puts a sentence before it if a script met the error. */
function codeOf({ message }: Error): string {
  // Redis refuses a command with many arguments before it reads it, if the client has not said the password.
  if (message.startsWith('ERR Protocol error: unauthenticated')) return 'NOAUTH'
  const [, code = ''] = /^(?:ERR Error running script .*: -)?([A-Z]+)\b/.exec(message) ?? []
  return code
}
