import { clientFaults } from './clients.ts'
import { clockFaults } from './clocks.ts'
import { failovers } from './failovers.ts'
import type { Fault } from './fault.ts'
import { lineFaults } from './lines.ts'
import { nodeFaults } from './nodes.ts'
import { storeFaults } from './stores.ts'

export const faults: readonly Fault[] = [
  ...nodeFaults,
  ...lineFaults,
  ...storeFaults,
  ...failovers,
  ...clockFaults,
  ...clientFaults,
]
