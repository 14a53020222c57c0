import { deepEqual } from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Outcome } from '../../lab/bench/report/outcome.ts'
import { tableOf } from '../../lab/bench/report/table.ts'
import type { Figure, Scenario } from '../../lab/bench/scenarios/scenario.ts'

const figure = (key: string, at?: string): Figure => ({
  key,
  label: 'calls',
  unit: 'each',
  ...(at !== undefined && { at }),
})

function linesOf(figures: readonly Figure[], median: Record<string, number>, failure?: string): string[] {
  const row = { system: 'one', label: 'One', role: 'ours', runs: [], median, ...(failure && { failure }) } as const
  const outcome: Outcome = { scenario: { figures } as unknown as Scenario, rows: [row], bystanders: 0 }
  return tableOf(outcome)
    .split('\n')
    .map((line) => line.replaceAll(/ +/g, ' '))
}

describe('the table of a scenario', () => {
  it('has a line for each system', () => {
    const [heads, , ...lines] = linesOf([figure('a'), figure('b')], { a: 1, b: 2 })
    deepEqual(heads, '| | calls (each) | calls (each) |')
    deepEqual(lines, ['| One | 1 | 2 |'])
  })

  it('has a line for each circumstance that was measured', () => {
    const figures = [figure('a', '2 nodes'), figure('b', '8 nodes'), figure('c', '16 nodes')]
    const [heads, , ...lines] = linesOf(figures, { a: 1, b: 2 })
    deepEqual(heads, '| | calls (each) |')
    deepEqual(lines, ['| One, 2 nodes | 1 |', '| One, 8 nodes | 2 |'])
  })

  it('says that a system has failed', () => {
    deepEqual(linesOf([figure('a', '2 nodes'), figure('b', '8 nodes')], {}, 'it broke').slice(2), ['| One | failed |'])
  })
})
