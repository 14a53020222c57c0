// The publisher of NATS. The nodes are nats-server processes.
import { connect } from '@nats-io/transport-node'
import { textOf } from '../message.mjs'

/** @param {{ server: string }} settings */
export async function start({ server: servers }) {
  const connection = await connect({ servers })
  return { push: (uid, t) => connection.publish(uid ?? 'all', textOf(t)) }
}
