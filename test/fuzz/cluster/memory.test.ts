import { describe, it } from 'node:test'
import { memory } from '../../../src/drivers/memory/memory.ts'
import { live } from './run.ts'

/** Each test has a store of its own and mostly waits, so they run at the same time. */
const LANES = 8

describe('a cluster on memory, whatever happens to its nodes', { concurrency: LANES }, () => {
  for (let lane = 1; lane <= LANES; lane++) {
    it(`every user gets the messages that are due, and no others (${lane})`, () => live({ driver: memory() }, 30))
  }
})
