import { parseArgs } from 'node:util'
import { LabError } from '../rig/lab-error.ts'
import { named, orUsage, positive } from '../rig/options.ts'
import { type Effort, quick, type Scenario, thorough } from './scenarios/scenario.ts'
import { scenarios } from './scenarios/scenarios.ts'
import { flotilla } from './systems/flotilla.ts'
import type { System } from './systems/system.ts'
import { systems } from './systems/systems.ts'

export const usage = `npm run bench -- [W1 … W15] [options]

  --quick            one short run of each, under a minute for a scenario
  --only A,B         these systems: ${systems.map(({ id }) => id).join(', ')}
  --beside NAME=DIR  another build of Flotilla too (its dist folder), to see what a change does
  --runs N           runs of each system, in turns; their median counts (${thorough.runs})
  --seconds N        of one measurement (${thorough.seconds})
  --rate N           messages a second in W1 and W2, instead of searching for the greatest
  --out DIR          write results there (lab/bench/results.md, or lab/bench/last where something was left out)
  --verbose          say what each measurement found, as it does
`

export interface Options {
  readonly scenarios: readonly Scenario[]
  readonly systems: readonly System[]
  readonly effort: Effort
  readonly verbose: boolean
  /** A folder for the results, where not the usual one. */
  readonly out: string | undefined
  /** Nothing was left out or shortened: the results are worth keeping. */
  readonly isComplete: boolean
}

/** @throws LabError saying what to mend */
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
  if (name === undefined || folder === undefined) throw new LabError('--beside takes NAME=DIR, DIR being a dist folder')
  return flotilla({ id: name, label: `Flotilla, ${name}`, folder })
}
