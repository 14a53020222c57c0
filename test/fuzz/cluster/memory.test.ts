import { describe, it } from 'node:test'
import { memory } from '../../../src/drivers/memory/memory.ts'
import { live } from './run.ts'

/** The number of clusters that run at once. Each has its own store, and waits most of the time. */
const LANES = 8

describe('a cluster on memory, whatever happens to its nodes', { concurrency: LANES }, () => {
  for (let lane = 1; lane <= LANES; lane++) {
    it(`every user gets their messages, and no others (${lane})`, () => live({ driver: memory() }, 30))
  }
})
