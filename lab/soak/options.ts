import { parseArgs } from 'node:util'
import { orUsage, positive, whole } from '../rig/options.ts'

const numbers = { minutes: 10, nodes: 2, clients: 200, guests: 1, every: 5 } as const
type NumberName = keyof typeof numbers

export const usage = `npm run soak -- [options]

  --minutes N   how long the clients come and go (${numbers.minutes})
  --nodes N     nodes that stay, whose memory is watched (${numbers.nodes})
  --guests N    nodes that come and go, by SIGTERM and by SIGKILL in turns, once a minute (${numbers.guests})
  --clients N   connections at once (${numbers.clients})
  --every N     seconds between two looks at memory and store (${numbers.every})
  --out DIR     write results there (lab/soak/last)
`

export interface Options extends Readonly<Record<NumberName, number>> {
  /** A folder for the results, where not the usual one. */
  readonly out: string | undefined
}

/** @throws LabError saying what to mend */
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

/** Times may have a fraction; there may be no guests. */
function numberOf(name: NumberName, text: string | undefined): number {
  const [option, usual] = [`--${name}`, numbers[name]]
  if (name === 'minutes' || name === 'every') return positive(option, text, usual)
  return whole(option, text, usual, name === 'guests' ? 0 : 1)
}
