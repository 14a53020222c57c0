import { parseArgs } from 'node:util'
import { named, orUsage, positive } from '../rig/options.ts'
import { type Attack, attacks } from './attacks.ts'

const usual = { seconds: 3, bound: 250 } as const

export const usage = `npm run attacks -- [options]

  --only A,B     only these attacks:
                 ${attacks.map(({ name }) => name).join('\n                 ')}
  --seconds N    how long each attack lasts, after a calm of the same length (${usual.seconds})
  --bound MS     how much longer than in calm the messages of ordinary clients may take, at the 99th percentile (${usual.bound})
`

export interface Options {
  readonly attacks: readonly Attack[]
  readonly seconds: number
  /** ms */
  readonly bound: number
}

/** @throws LabError that says what to change */
export function parseOptions(args: string[]): Options | 'help' {
  const { help, only, seconds, bound } = parse(args)
  if (help === true) return 'help'
  return {
    attacks:
      only === undefined
        ? attacks
        : only.split(',').map((name) => named('attack', name.trim(), attacks, (each) => each.name)),
    seconds: positive('--seconds', seconds, usual.seconds),
    bound: positive('--bound', bound, usual.bound),
  }
}

function parse(args: string[]) {
  const text = { type: 'string' } as const
  const options = { only: text, seconds: text, bound: text, help: { type: 'boolean' } } as const
  return orUsage(usage, () => parseArgs({ args, options }).values)
}
