import { parseArgs } from 'node:util'
import { AttackError } from './attack-error.ts'
import { type Attack, attacks } from './attacks.ts'

const usual = { seconds: 3, bound: 250 } as const

export const usage = `npm run attacks -- [options]

  --only A,B     these attacks:
                 ${attacks.map(({ name }) => name).join('\n                 ')}
  --seconds N    how long each lasts, after as long a calm (${usual.seconds})
  --bound MS     how much later than in calm 99 of 100 messages of ordinary clients may arrive (${usual.bound})
`

export interface Options {
  readonly attacks: readonly Attack[]
  readonly seconds: number
  /** ms */
  readonly bound: number
}

/** @throws AttackError saying what to mend */
export function parseOptions(args: string[]): Options | 'help' {
  const { help, only, seconds, bound } = parse(args)
  if (help === true) return 'help'
  return {
    attacks: only === undefined ? attacks : only.split(',').map(attackNamed),
    seconds: numberOf('seconds', seconds),
    bound: numberOf('bound', bound),
  }
}

function parse(args: string[]) {
  const text = { type: 'string' } as const
  const options = { only: text, seconds: text, bound: text, help: { type: 'boolean' } } as const
  try {
    return parseArgs({ args, options }).values
  } catch (error) {
    throw new AttackError(`${(error as Error).message}\n\n${usage}`)
  }
}

function attackNamed(name: string): Attack {
  const attack = attacks.find((each) => each.name === name.trim())
  if (attack !== undefined) return attack
  throw new AttackError(`there is no attack '${name}': choose from ${attacks.map((each) => each.name).join(', ')}`)
}

function numberOf(name: keyof typeof usual, text: string | undefined): number {
  if (text === undefined) return usual[name]
  const value = Number(text)
  if (value > 0) return value
  throw new AttackError(`--${name} is ${text}: give a number above 0`)
}
