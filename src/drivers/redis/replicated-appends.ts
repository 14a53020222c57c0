import { FlotillaError } from '../../errors.ts'
import type { DriverSettings } from '../driver.ts'
import { type Appends, TAKEN } from './appends.ts'
import { RedisClient } from './connection/client.ts'
import type { HotScript, ScriptCall } from './connection/script-call.ts'
import type { Store } from './connection/store.ts'

/** The loss that an append must survive before it counts as stored. `replicated`: the loss of the master. */
export type Durability = 'memory' | 'replicated'

/** The share of `storeWait` that a replica may take. The rest is for the append itself. */
const SHARE_OF_REPLICA = 0.8

/**
 * Appends that count as stored once a replica has them (Redis: WAIT). They have a connection of their own, because WAIT
 * holds back everything that is sent after it. An append carries a batch of pushes, so one WAIT serves all of them.
 */
export class ReplicatedAppends implements Appends {
  readonly #client: RedisClient
  readonly #patience: number

  constructor(store: Store, settings: DriverSettings) {
    this.#client = new RedisClient(store, settings, 'append')
    this.#patience = Math.ceil(settings.storeWait * SHARE_OF_REPLICA)
  }

  /** @throws FlotillaError `FLT_STORE_AWAY` if no replica has it in time */
  async call(
    script: HotScript,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    const { reply, replicaCount } = await this.#client.callReplicated(script, keys, args, this.#patience)
    const [outcome] = [reply].flat()
    // Invariant K6: an append counts once a replica has it.
    // A batch that was not appended needs no replica.
    if (replicaCount > 0 || outcome !== TAKEN) return reply
    throw this.#notReplicated()
  }

  /** @throws FlotillaError `FLT_STORE_AWAY` if no replica has all of it in time */
  async callEach(script: HotScript, makeCalls: () => ScriptCall[]): Promise<unknown[]> {
    const { replies, replicaCount } = await this.#client.callEachReplicated(script, makeCalls, this.#patience)
    // Invariant K6: an append counts once a replica has it.
    if (replicaCount > 0) return replies
    throw this.#notReplicated()
  }

  close(): void {
    this.#client.close()
  }

  #notReplicated(): FlotillaError {
    const message = `no replica had the push within ${this.#patience} ms: check with INFO replication that Redis has replicas that are up to date, and push again with the same id`
    return new FlotillaError('FLT_STORE_AWAY', message)
  }
}
