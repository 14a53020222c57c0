import { resolve } from 'node:path'
import { inspect } from 'node:util'
import { usageError } from '../common/cli-error.ts'
import { checkConfig, type Config } from './config-check.ts'
import { readConfigFile } from './config-file.ts'
import type { Flag } from './flag.ts'
import { environmentName, flags } from './flags.ts'
import { takesOf } from './option-flags.ts'
import { isServiceLink, serviceLinks } from './service-links.ts'
import { isPem, type SettingKey, type Settings, settingsSchema, type Source } from './settings.ts'

/** A setting as it was given, not parsed yet. */
interface Given {
  readonly value: unknown
  readonly source: Source
  /** How a message names the place where it was given. */
  readonly where: string
  /** The folder that a relative path in the value starts from. */
  readonly folder: string
}

type GivenSettings = ReadonlyMap<string, Given>
export type Environment = Readonly<Record<string, string | undefined>>
/** Flags by their setting's key, and `config`, the path of a config file. */
export type FlagValues = Readonly<Partial<Record<SettingKey | 'config', unknown>>>

/**
 * @param isAgain whether this process has read the config file before
 * @throws CliError with exit code 2 that names the flag and what it takes.
 */
export async function loadConfig(
  flagValues: FlagValues,
  environment: Environment,
  { isAgain = false } = {},
): Promise<Config> {
  const path = flagValues.config ?? (environment['FLOTILLA_CONFIG'] || undefined)
  const given = new Map([
    ...(typeof path === 'string' ? await givenInFile(path, isAgain) : []),
    ...givenInEnvironment(environment),
    ...givenAsFlags(flagValues),
  ])
  const sources = new Map(Array.from(given, ([key, { source }]) => [key, source] as const))
  const config = checkConfig(parseSettings(given), (key) => sources.get(key))
  return { ...config, ignoredVariables: serviceLinks(environment) }
}

async function givenInFile(path: string, isAgain: boolean): Promise<[string, Given][]> {
  const { values, folder } = await readConfigFile(path, isAgain)
  return Object.entries(values).map(([key, value]) => {
    const flag = flags.find((known) => known.key === key)
    const where = flag === undefined ? `"${key}" in ${path}` : `--${flag.name} ("${key}" in ${path})`
    return [key, { value, source: 'file', where, folder }]
  })
}

/** An empty variable counts as not set, because a compose file passes on an unset variable as an empty one. */
function givenInEnvironment(environment: Environment): [string, Given][] {
  return flags.flatMap(({ key, name }): [string, Given][] => {
    const variable = environmentName(name)
    const value = environment[variable]
    if (value === undefined || value === '' || isServiceLink(variable, value)) return []
    return [[key, { value, source: 'environment', where: `--${name} (from ${variable})`, folder: process.cwd() }]]
  })
}

function givenAsFlags(values: FlagValues): [string, Given][] {
  return flags.flatMap(({ key, name }): [string, Given][] => {
    const value = values[key]
    if (value === undefined) return []
    return [[key, { value, source: 'flag', where: `--${name}`, folder: process.cwd() }]]
  })
}

function parseSettings(given: GivenSettings): Settings {
  const entries = Array.from(given, ([key, value]) => [key, parseSetting(key, value)] as const)
  return Object.fromEntries(entries)
}

function parseSetting(key: string, { value, where, folder }: Given): unknown {
  if (!isSettingKey(key)) throw usageError(`${where} is not a setting of Flotilla`)
  const flag = flags.find((known) => known.key === key)
  const parsed = settingsSchema.shape[key].safeParse(value)
  if (!parsed.success) throw usageError(`${where} takes ${flag?.takes ?? takesOf(key)}${shown(value, flag)}`)
  return flag?.path === true ? resolvePaths(parsed.data, folder) : parsed.data
}

function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(settingsSchema.shape, key)
}

/**
 * The value for a message, unless it may hold a secret: in a secret flag, in a URL, or in a misplaced list or object.
 */
function shown(value: unknown, flag: Flag | undefined): string {
  if (flag?.secret !== undefined) return ''
  if (typeof value === 'string')
    return isPem(value) ? '' : `, not ${JSON.stringify(value.replaceAll(USER_INFO, '//***@'))}`
  if (typeof value === 'object' && value !== null) return `, not this ${Array.isArray(value) ? 'list' : 'object'}`
  return `, not ${inspect(value)}`
}

const USER_INFO = /\/\/[^/]*@/g

function resolvePaths(value: unknown, folder: string): unknown {
  if (Array.isArray(value)) return value.map((item) => resolvePaths(item, folder))
  return typeof value === 'string' ? resolve(folder, value) : value
}
