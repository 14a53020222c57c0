import { FlotillaError } from '../../errors.ts'
import type { DriverSettings } from '../driver.ts'
import { type Appends, TAKEN } from './appends.ts'
import type { Store } from './connection/address.ts'
import { RedisClient } from './connection/client.ts'
import type { HotScript } from './connection/script-call.ts'

/** What an append has to survive before it counts as stored: `replicated` is the loss of the master. */
export type Durability = 'memory' | 'replicated'

/** Of `storeWait`, what a replica may take: the rest is for the append itself. */
const SHARE_OF_REPLICA = 0.8

/**
 * Appends that count once a replica has them (Redis: WAIT). They have connections of their own, for WAIT holds back what
 * is sent behind it. An append carries a batch of pushes, so there is one WAIT for all of them.
 */
export class ReplicatedAppends implements Appends {
  readonly #client: RedisClient
  readonly #patience: number

  constructor(store: Store, settings: DriverSettings) {
    this.#client = new RedisClient(store, settings, 'append')
    this.#patience = Math.ceil(settings.storeWait * SHARE_OF_REPLICA)
  }

  /** @throws FlotillaError `FLT_STORE_AWAY` where no replica has it in time */
  async call(
    script: HotScript,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    const { reply, replicaCount } = await this.#client.callReplicated(script, keys, args, this.#patience)
    const [outcome] = [reply].flat()
    // Invariant K6: an append counts once a replica has it.
    // What was not taken needs no replica.
    if (replicaCount > 0 || outcome !== TAKEN) return reply
    const message = `no replica had the push within ${this.#patience} ms: check that Redis has replicas in step (INFO replication); try again with the same id`
    throw new FlotillaError('FLT_STORE_AWAY', message)
  }

  close(): void {
    this.#client.close()
  }
}
