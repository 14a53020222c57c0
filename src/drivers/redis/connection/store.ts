import type { ConnectionOptions } from 'node:tls'
import type { Address } from './address.ts'
import type { AddressBook } from './nat-map.ts'

/** What all connections of one driver share. */
export interface Store {
  readonly address: Address
  /** What `tls.connect` needs, if certificates or names were given. */
  readonly tls?: ConnectionOptions
  /** Where the servers are that sentinels and members of a cluster name. */
  readonly book?: AddressBook
  /** Whether Redis has ever done what it was asked. If so, the URL was right, and a refusal now may be temporary. */
  hasServed: boolean
  /** Whether the log says already that Redis may throw keys away. */
  hasWarned?: boolean
}
