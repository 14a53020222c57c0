import { parseArgs } from 'node:util'
import { LabError } from '../rig/lab-error.ts'
import { named, orUsage, positive } from '../rig/options.ts'
import { type Effort, quick, type Scenario, thorough } from './scenarios/scenario.ts'
import { scenarios } from './scenarios/scenarios.ts'
import { flotilla } from './systems/flotilla.ts'
import type { System } from './systems/system.ts'
import { systems } from './systems/systems.ts'

export const usage = `npm run bench -- [W1 … W15] [options]

  --quick            one short run of each scenario, which takes less than a minute
  --only A,B         only these systems: ${systems.map(({ id }) => id).join(', ')}
  --beside NAME=DIR  also measure another build of Flotilla (its dist folder), to see what a change does
  --runs N           runs of each system, in turns; the median counts (${thorough.runs})
  --seconds N        duration of one measurement (${thorough.seconds})
  --rate N           messages a second in W1 and W2, instead of a search for the greatest rate
  --out DIR          write results to this folder (lab/bench/results.md, or lab/bench/last if something was left out)
  --verbose          print what each measurement found
`

export interface Options {
  readonly scenarios: readonly Scenario[]
  readonly systems: readonly System[]
  readonly effort: Effort
  readonly verbose: boolean
  /** A folder for the results, if not the default one. */
  readonly out: string | undefined
  /** Nothing was left out or shortened, so the results are worth keeping. */
  readonly isComplete: boolean
}

/** @throws LabError that says what to change */
export function parseOptions(args: string[]): Options | 'help' {
  const { values, positionals } = parse(args)
  if (values.help === true) return 'help'
  const effort = values.quick === true ? quick : thorough
  const chosen = [...chooseSystems(values.only), ...(values.beside ?? []).map(besideOf)]
  return {
    scenarios: chooseScenarios(positionals),
    systems: chosen,
    effort: {
      ...effort,
      runs: positive('--runs', values.runs, effort.runs),
      seconds: positive('--seconds', values.seconds, effort.seconds),
      ...(values.rate !== undefined && { rate: positive('--rate', values.rate, 0) }),
    },
    out: values.out,
    verbose: values.verbose === true,
    isComplete: [values.quick, values.only, values.beside, values.runs, values.seconds, values.rate].every(
      (value) => value === undefined,
    ),
  }
}

function parse(args: string[]) {
  return orUsage(usage, () =>
    parseArgs({
      args,
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string' },
        beside: { type: 'string', multiple: true },
        runs: { type: 'string' },
        seconds: { type: 'string' },
        rate: { type: 'string' },
        out: { type: 'string' },
        verbose: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }),
  )
}

function chooseScenarios(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return scenarios
  return names.map((name) => named('scenario', name.toUpperCase(), scenarios, ({ id }) => id))
}

function chooseSystems(names: string | undefined): readonly System[] {
  if (names === undefined) return systems
  return names.split(',').map((name) => named('system', name, systems, ({ id }) => id))
}

function besideOf(pair: string): System {
  const [name, folder] = pair.split('=')
  if (name === undefined || folder === undefined)
    throw new LabError('--beside takes NAME=DIR, where DIR is a dist folder')
  return flotilla({ id: name, label: `Flotilla, ${name}`, folder })
}
