/** What Redis answered instead of a reply. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError'
  /** Where it is the answer to a command without which nobody is let in. */
  readonly entry: string | undefined

  /** Redis, and what stands before it, may repeat the arguments of a command it does not know: a password, a message. */
  constructor(message: string, entry?: string) {
    super(message.replace(/,? with args beginning with:.*$/s, ''))
    this.entry = entry
  }
}

interface Refusal {
  /** What a person may do about it. */
  readonly advice: string
  /** What was configured is wrong, here or there: waiting does not help. */
  readonly lasts?: true
}

/** What Redis says, by its first word. */
const BY_CODE: Readonly<Record<string, Refusal>> = {
  LOADING: { advice: 'Redis is still loading its data: wait until it is done' },
  READONLY: {
    advice: 'this Redis is a replica and takes no writes: give the address of its master, or of its sentinels',
  },
  MASTERDOWN: {
    advice: 'this Redis is a replica without its master: give the address of the master, or of its sentinels',
  },
  UNBLOCKED: { advice: 'this Redis has just become a replica: try again' },
  CLUSTERDOWN: { advice: 'the Redis Cluster does not serve every slot: bring its masters back, or replace them' },
  TRYAGAIN: { advice: 'the Redis Cluster is moving this slot: let the migration come to its end' },
  MOVED: { advice: 'the slots of the Redis Cluster keep moving: let its members agree' },
  ASK: { advice: 'the slots of the Redis Cluster keep moving: let its members agree' },
  NOREPLICAS: { advice: 'Redis has too few replicas in step (min-replicas-to-write): bring them back' },
  OOM: { advice: 'Redis is out of memory: raise maxmemory' },
  MISCONF: { advice: 'Redis cannot save to its disk and refuses writes: make room, see its log' },
  BUSY: { advice: 'Redis is busy with a script: try again' },
  NOAUTH: { advice: 'Redis asks for a password: put it into the URL', lasts: true },
  WRONGPASS: { advice: 'Redis does not know this user or password: correct the URL', lasts: true },
  NOPERM: { advice: 'the Redis user may not do this: docs/redis.md lists what it needs', lasts: true },
  DENIED: { advice: 'Redis is in protected mode: give it a password, or bind it to another address', lasts: true },
}

/** What is told otherwise: by Redis with the code ERR, by Node, or by us. */
const BY_MESSAGE: readonly (readonly [RegExp, Refusal])[] = [
  [/^ERR max number of clients/, { advice: 'Redis takes no more clients: raise maxclients' }],
  [/^ERR .*cluster support disabled/, { advice: 'this Redis is no cluster: write redis:// into the URL', lasts: true }],
  [
    /sentinel .* (?:invalid reply: null|No such master)/,
    { advice: 'the sentinels know no master of this name: correct it in the URL', lasts: true },
  ],
  [
    /sentinel.* unknown command/i,
    { advice: 'there is no sentinel: correct its address, or write redis:// into the URL', lasts: true },
  ],
  [
    /sentinel.* (?:NOAUTH|WRONGPASS|NOPERM|ERR AUTH)/,
    { advice: 'a sentinel does not let us in: correct sentinelUsername and sentinelPassword in the URL', lasts: true },
  ],
  [
    /wrong version number|ERR_SSL|EPROTO/,
    { advice: 'it does not speak TLS: write redis:// into the URL', lasts: true },
  ],
  [
    /certificate|altnames/i,
    { advice: 'its certificate is not trusted: name its authority in NODE_EXTRA_CA_CERTS', lasts: true },
  ],
]

const ENTRIES: Readonly<Record<string, Refusal>> = {
  auth: { advice: 'Redis does not take this user and password: correct the URL', lasts: true },
  select: { advice: 'Redis does not open this database: correct its number in the URL', lasts: true },
}

const NO_REDIS: Refusal = { advice: 'whoever listens there does not speak as Redis does: correct the URL', lasts: true }
const SILENT: Refusal = {
  advice: 'whoever listens there says nothing: write rediss:// into the URL if it wants TLS, redis:// if it does not',
}

/** Something else than Redis has answered. */
export class NoRedisError extends Error {
  override readonly name = 'NoRedisError'
}

/** Nobody has answered, and the connection was closed. */
export class SilentError extends Error {
  override readonly name = 'SilentError'
}

const FROM_REPLICA = new Set(['READONLY', 'MASTERDOWN', 'UNBLOCKED'])

/** Whether the same command may succeed a moment later. */
export function isPassingRefusal(error: Error): boolean {
  return codeOf(error) in BY_CODE
}

/** Whether somebody else is the master now: this server will not change its mind soon. */
export function isFromReplica(error: Error): boolean {
  return FROM_REPLICA.has(codeOf(error))
}

export function isTryAgain(error: unknown): boolean {
  return error instanceof Error && codeOf(error) === 'TRYAGAIN'
}

/** Whether Redis serves nobody on this connection, whatever was asked. */
export function isLockedOut(error: Error): boolean {
  return ['NOAUTH', 'DENIED'].includes(codeOf(error)) || error.message.startsWith('ERR max number of clients')
}

/** Whether a command met the rights of the user: others may be allowed. */
export function isForbidden(error: Error): boolean {
  return codeOf(error) === 'NOPERM'
}

/** Whether this server is a member of a cluster, and was spoken to as if it were alone. */
export function isRedirection(error: unknown): boolean {
  return error instanceof Error && ['MOVED', 'ASK'].includes(codeOf(error))
}

/** Whether waiting does not help. */
export function isLasting(error: Error): boolean {
  return refusalOf(error)?.lasts === true
}

/** What an error comes to for whoever runs it, and what Redis said; nothing where it is not known. */
export function adviceOn(error: Error | undefined): string | undefined {
  const refusal = error === undefined ? undefined : refusalOf(error)
  if (error === undefined || refusal === undefined) return undefined
  return `${refusal.advice} (${error instanceof ReplyError ? 'Redis said: ' : ''}${error.message})`
}

function refusalOf(error: Error): Refusal | undefined {
  if (error instanceof NoRedisError) return NO_REDIS
  if (error instanceof SilentError) return SILENT
  const byCode = BY_CODE[codeOf(error)]
  if (byCode !== undefined) return byCode
  const said = `${'code' in error ? String(error.code) : ''} ${error.message}`.trim()
  const byMessage = BY_MESSAGE.find(([pattern]) => pattern.test(said))
  if (byMessage !== undefined) return byMessage[1]
  return error instanceof ReplyError && error.entry !== undefined ? ENTRIES[error.entry] : undefined
}

/** The first word. Redis 6.2 puts a sentence before it where a script has met it. */
function codeOf({ message }: Error): string {
  // What has many arguments it does not even read from somebody who has not said the password.
  if (message.startsWith('ERR Protocol error: unauthenticated')) return 'NOAUTH'
  const [, code = ''] = /^(?:ERR Error running script .*: -)?([A-Z]+)\b/.exec(message) ?? []
  return code
}
