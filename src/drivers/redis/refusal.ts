/** What Redis says when it means "not now", and what a person may do where that lasts. */
const REFUSALS: Readonly<Record<string, string>> = {
  LOADING: 'Redis is still loading its data: wait until it is done',
  READONLY: 'this Redis is a replica and takes no writes: give the address of its master, or of its sentinels',
  MASTERDOWN: 'this Redis is a replica without its master: give the address of the master, or of its sentinels',
  UNBLOCKED: 'this Redis has just become a replica: try again',
  CLUSTERDOWN: 'the Redis Cluster does not serve every slot: bring its masters back, or replace them',
  TRYAGAIN: 'the Redis Cluster is moving this slot: let the migration come to its end',
  MOVED: 'the slots of the Redis Cluster keep moving: let its members agree',
  ASK: 'the slots of the Redis Cluster keep moving: let its members agree',
  NOREPLICAS: 'Redis has too few replicas in step (min-replicas-to-write): bring them back',
  OOM: 'Redis is out of memory: raise maxmemory',
  MISCONF: 'Redis cannot save to its disk and refuses writes: make room, see its log',
  BUSY: 'Redis is busy with a script: try again',
  NOAUTH: 'Redis asks for a password: put it into the URL',
  WRONGPASS: 'Redis does not know this user or password: correct the URL',
  NOPERM: 'the Redis user may not do this: docs/redis.md lists what it needs',
}
const FROM_REPLICA = new Set(['READONLY', 'MASTERDOWN', 'UNBLOCKED'])

/** Whether the same command may succeed a moment later. */
export function isPassingRefusal(error: Error): boolean {
  return codeOf(error) in REFUSALS
}

/** Whether somebody else is the master now: this server will not change its mind soon. */
export function isFromReplica(error: Error): boolean {
  return FROM_REPLICA.has(codeOf(error))
}

export function isTryAgain(error: unknown): boolean {
  return error instanceof Error && codeOf(error) === 'TRYAGAIN'
}

/** What an error of Redis comes to for whoever runs it; nothing where it is not known. */
export function adviceOn(error: Error | undefined): string | undefined {
  return error === undefined ? undefined : REFUSALS[codeOf(error)]
}

/** The first word. Redis 6.2 puts a sentence before it where a script has met it. */
function codeOf({ message }: Error): string {
  // What has many arguments it does not even read from somebody who has not said the password.
  if (message.startsWith('ERR Protocol error: unauthenticated')) return 'NOAUTH'
  const [, code = ''] = /^(?:ERR Error running script .*: -)?([A-Z]+)\b/.exec(message) ?? []
  return code
}
