import { describe, it } from 'node:test'
import { memory } from '../../../src/drivers/memory/memory.ts'
import { live } from './run.ts'

/** Each has a store of its own, and waits most of its time. */
const LANES = 8

describe('a cluster on memory, whatever happens to its nodes', { concurrency: LANES }, () => {
  for (let lane = 1; lane <= LANES; lane++) {
    it(`everyone gets what is theirs, and nothing else (${lane})`, () => live({ driver: memory() }, 30))
  }
})
