import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { allowOrigins, type NumberOption } from '../../index.ts'
import { optionTable } from '../../options.ts'
import { isLoopback, withoutBrackets } from '../common/loopback.ts'
import { type OptionKey, optionKeys } from './option-keys.ts'

// The settings of `flotilla start`. Options of createServer keep their names. Flags and environment variables give
// strings, a config file may give the value itself, so every schema takes both.

const text = z.string().min(1)
const plainName = z.string().regex(/^[\w.-]{1,64}$/)

function whole(least: number, most: number) {
  return z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.number().int().min(least).max(most))
}

const words: Readonly<Record<string, boolean>> = {
  true: true,
  1: true,
  yes: true,
  on: true,
  false: false,
  0: false,
  no: false,
  off: false,
}
const toggle = z.union([
  z.boolean(),
  z
    .string()
    .toLowerCase()
    .refine((word) => word in words)
    .transform((word) => words[word] === true),
])

function list<T extends z.ZodType>(item: T) {
  const commas = z.string().transform((joined) => joined.split(',').map((part) => part.trim()))
  return z.union([commas, z.array(z.unknown())]).pipe(z.array(item).min(1))
}

function natMapOf(pairs: readonly string[] | Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (!Array.isArray(pairs)) return pairs as Readonly<Record<string, string>>
  return Object.fromEntries(pairs.map((pair: string) => pair.split('=').map((side) => side.trim())))
}

function isOrigin(value: string): boolean {
  try {
    allowOrigins([value])
    return true
  } catch {
    return false
  }
}

/** What `trustProxy` takes. `isIP` looks first, because ipaddr.js also takes spellings such as 010.0.0.1. */
function isAddressRange(value: string): boolean {
  const [address = ''] = value.split('/', 1)
  if (isIP(address) === 0 || address.includes('%')) return false
  return value === address || ipaddr.isValidCIDR(value)
}

/** The same rule as in `authenticate`: over plain HTTP, anyone on the way could hand out keys of their own. */
function isKeysUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, hostname, username, password } = new URL(value)
  if (username !== '' || password !== '') return false
  const host = withoutBrackets(hostname)
  const isHere = host === 'localhost' || (isIP(host) !== 0 && isLoopback(host))
  return protocol === 'https:' || (protocol === 'http:' && isHere)
}

/** Whether a value is the content of a PEM file, perhaps a private key, given by mistake instead of the file's path. */
export function isPem(value: string): boolean {
  return value.includes('-----BEGIN')
}

/** A module itself, as a JavaScript or TypeScript config file may list it. createServer checks it closely. */
const moduleItself = z.custom<object>((value) => typeof value === 'function' || (typeof value === 'object' && !!value))

type Table = typeof optionTable
type NumberKey = { [Key in OptionKey]: Table[Key] extends NumberOption ? Key : never }[OptionKey]
type Numbers = { [Key in NumberKey]: ReturnType<typeof whole> }

/** createServer checks the same bounds. They are checked here first, so that the message names the flag. */
const numbers = Object.fromEntries(
  optionKeys.flatMap((key) => {
    const row = optionTable[key]
    return row.type === 'number' ? [[key, whole(row.min, row.max)] as const] : []
  }),
) as Numbers

const options = {
  ...numbers,
  name: plainName,
  url: text,
  prefix: plainName,
  compression: z.union([toggle, z.strictObject({ threshold: whole(0, 2 ** 30) })]),
  overflow: z.enum(optionTable.overflow.choices),
  trustProxy: list(z.string().refine(isAddressRange)),
  codec: z.enum(optionTable.codec.choices),
} satisfies Record<OptionKey, z.ZodType>

export const settingsSchema = z.strictObject({
  ...options,
  host: text,
  port: whole(0, 65_535),
  unix: text,
  driver: z.enum(['memory', 'redis', 'nats']),
  // A URL with several hosts is not valid for URL, so only its beginning is checked here, and the rest by the driver.
  redis: z.string().regex(/^rediss?(\+sentinel|\+cluster)?:\/\/[^/]/),
  redisCa: text.refine((value) => !isPem(value)),
  redisCert: text.refine((value) => !isPem(value)),
  redisKey: text.refine((value) => !isPem(value)),
  redisServername: text,
  redisNatMap: z.union([list(z.string().regex(/^[^=]+=[^=]+$/)), z.record(z.string(), z.string())]).transform(natMapOf),
  isolated: toggle,
  durability: z.enum(['memory', 'replicated']),
  modules: z.union([list(text), z.array(z.union([text, moduleItself]))]),
  tokenSecret: text,
  jwks: z.string().refine(isKeysUrl),
  tokenIssuer: text,
  tokenAudience: text,
  groupsClaim: text,
  // The same bounds as in `authenticate`.
  clockTolerance: whole(0, 600_000),
  apiKey: z.string().regex(/^[\x21-\x7E]+$/),
  metricsOpen: toggle,
  origins: list(z.string().refine(isOrigin)),
  tlsCert: text.refine((value) => !isPem(value)),
  tlsKey: text.refine((value) => !isPem(value)),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  echo: toggle,
  dev: toggle,
  daemon: toggle,
  pidFile: text,
  drainDelay: whole(0, 3_600_000),
})

export type SettingKey = keyof typeof settingsSchema.shape
/** The settings that were given, by flags, in the environment or in the config file. */
export type Settings = Partial<z.infer<typeof settingsSchema>>

/** Where a setting was given. A flag beats the environment, and the environment beats the file. */
export type Source = 'file' | 'environment' | 'flag'
