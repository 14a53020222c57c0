import { type Command, Option } from 'commander'
import type { Environment, FlagValues } from './config.ts'
import type { Flag } from './flag.ts'
import { environmentName, flagGroups, flags } from './flags.ts'

/** Adds the flags of `start`. `restart` takes them too, but hides them, so that only the help of `start` lists them. */
export function addStartFlags(command: Command, hidden = false): void {
  for (const { title, flags: group } of flagGroups) {
    command.optionsGroup(title)
    for (const flag of group) {
      command.addOption(optionOf(flag).hideHelp(hidden && flag.key !== 'pidFile'))
      if (flag.key === 'echo')
        command.addOption(new Option('--no-echo', 'no /echo, not even with --dev').hideHelp(hidden))
    }
  }
  command.addOption(new Option('--config <FILE>', 'a .json, .js or .ts file with settings').hideHelp(hidden))
}

function optionOf({ name, short, argument, repeats, help }: Flag): Option {
  const names = short === undefined ? `--${name}` : `-${short}, --${name}`
  const option = new Option(argument === undefined ? names : `${names} <${argument}>`, help)
  return repeats === true ? option.argParser(collect) : option
}

export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

/** The given flags by setting. Commander has them by flag. */
export function flagValues(options: Readonly<Record<string, unknown>>): FlagValues {
  const entries = flags.map(({ key, name }) => [key, options[camelCase(name)]] as const)
  return Object.fromEntries(
    [...entries, ['config', options['config']] as const].filter(([, value]) => value !== undefined),
  )
}

function camelCase(name: string): string {
  return name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** The flags that may be kept on disk to repeat a command line: all but secrets. */
export function withoutSecrets(values: FlagValues): FlagValues {
  return Object.fromEntries(
    Object.entries(values).filter(([key, value]) => {
      const flag = flags.find((known) => known.key === key)
      return flag === undefined || !holdsSecret(flag, value)
    }),
  )
}

/** The names of the flags whose values must come from the environment if the others are repeated without secrets. */
export function secretsOf(values: FlagValues, environment: Environment): string[] {
  const given = flags.filter((flag) => {
    const value = values[flag.key]
    if (value !== undefined) return holdsSecret(flag, value)
    return flag.secret !== undefined && Boolean(environment[environmentName(flag.name)])
  })
  return given.map(({ name }) => name)
}

function holdsSecret({ secret }: Flag, value: unknown): boolean {
  return secret === true || (secret === 'in-url' && /[@?]/.test(String(value)))
}

/** Writes the flags as a command line again. */
export function argsOf(values: FlagValues): string[] {
  const given = [...flags, { key: 'config', name: 'config' } as const]
  return given.flatMap(({ key, name }) => {
    const value = values[key]
    if (value === undefined) return []
    if (typeof value === 'boolean') return [value ? `--${name}` : `--no-${name}`]
    return (Array.isArray(value) ? value : [value]).map((item) => `--${name}=${item as string}`)
  })
}
