import { parseArgs } from 'node:util'
import { orUsage, positive, whole } from '../rig/options.ts'

const numbers = { minutes: 10, nodes: 2, clients: 200, guests: 1, every: 5 } as const
type NumberName = keyof typeof numbers

export const usage = `npm run soak -- [options]

  --minutes N   how long the clients come and go (${numbers.minutes})
  --nodes N     nodes that stay, whose memory is watched (${numbers.nodes})
  --guests N    nodes that come and go about every 45 seconds, ended by SIGTERM and SIGKILL in turns (${numbers.guests})
  --clients N   connections at once (${numbers.clients})
  --every N     seconds between two measurements of memory and store (${numbers.every})
  --out DIR     write results to this folder (lab/soak/last)
`

export interface Options extends Readonly<Record<NumberName, number>> {
  /** A folder for the results, if not the default one. */
  readonly out: string | undefined
}

/** @throws LabError that says what to change */
export function parseOptions(args: string[]): Options | 'help' {
  const { help, out, ...given } = parse(args)
  if (help === true) return 'help'
  const names = Object.keys(numbers) as NumberName[]
  const parsed = names.map((name) => [name, numberOf(name, given[name])])
  return {
    ...(Object.fromEntries(parsed) as Record<NumberName, number>),
    out,
  }
}

function parse(args: string[]) {
  const text = { type: 'string' } as const
  const flags = { minutes: text, nodes: text, guests: text, clients: text, every: text, out: text }
  return orUsage(usage, () => parseArgs({ args, options: { ...flags, help: { type: 'boolean' } } }).values)
}

/** Times may be fractions. The number of guests may be zero. */
function numberOf(name: NumberName, text: string | undefined): number {
  const [option, usual] = [`--${name}`, numbers[name]]
  if (name === 'minutes' || name === 'every') return positive(option, text, usual)
  return whole(option, text, usual, name === 'guests' ? 0 : 1)
}
