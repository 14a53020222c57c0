import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { isLoopback } from '../loopback.ts'

// What `flotilla start` can be told, with createServer's names. Flags and environment variables bring strings, a config
// file may bring the thing itself: every schema takes both.

const text = z.string().min(1)

function whole(least: number, most: number) {
  return z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.number().int().min(least).max(most))
}

// The bounds are createServer's, so that what is out of them is told by the name that it was given here.
const HOUR = 3_600_000
const MILLIONS = 10_000_000

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

function isOrigin(value: string): boolean {
  return value === '*' || (URL.canParse(value) && new URL(value).origin === value.toLowerCase())
}

function isAddressRange(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d+$/.test(bits) && canSubnet(address, Number(bits), family))
}

function canSubnet(address: string, bits: number, family: number): boolean {
  try {
    new BlockList().addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6')
    return true
  } catch {
    return false
  }
}

/** What `authenticate` takes as well: over plain HTTP anyone on the way could give out keys of their own. */
function isKeysUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, hostname, username, password } = new URL(value)
  if (username !== '' || password !== '') return false
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const isHere = host === 'localhost' || (isIP(host) !== 0 && isLoopback(host))
  return protocol === 'https:' || (protocol === 'http:' && isHere)
}

/** The content of a file where its path belongs: a private key, it may be. */
export function isPem(value: string): boolean {
  return value.includes('-----BEGIN')
}

/** A module itself, as a JavaScript or TypeScript config file may list it; createServer looks at it closely. */
const moduleItself = z.custom<object>((value) => typeof value === 'function' || (typeof value === 'object' && !!value))

export const settingsSchema = z.strictObject({
  host: text,
  port: whole(0, 65_535),
  unix: text,
  name: z.string().regex(/^[\w.-]{1,64}$/),
  driver: z.enum(['memory', 'redis', 'nats']),
  // Several hosts make no URL in the strict sense; the driver says what is wrong behind the scheme.
  redis: z.string().regex(/^rediss?(\+sentinel|\+cluster)?:\/\/[^/]/),
  isolated: toggle,
  durability: z.enum(['memory', 'replicated']),
  prefix: text,
  heartbeat: whole(20, HOUR),
  deadAfter: whole(60, 24 * HOUR),
  maxLag: whole(0, 24 * HOUR).refine((value) => value === 0 || value >= 60),
  pingInterval: whole(0, HOUR),
  consumers: whole(1, 256),
  modules: z.union([list(text), z.array(z.union([text, moduleItself]))]),
  tokenSecret: text,
  jwks: z.string().refine(isKeysUrl),
  tokenIssuer: text,
  tokenAudience: text,
  groupsClaim: text,
  apiKey: z.string().regex(/^[\x21-\x7E]+$/),
  metricsOpen: toggle,
  origins: list(z.string().refine(isOrigin)),
  maxPayload: whole(1, 2 ** 30),
  maxConnections: whole(0, MILLIONS),
  maxConnectionsPerIp: whole(0, MILLIONS),
  maxMessagesPerSecond: whole(0, MILLIONS),
  compression: z.union([toggle, z.strictObject({ threshold: whole(0, 2 ** 30) })]),
  tlsCert: text.refine((value) => !isPem(value)),
  tlsKey: text.refine((value) => !isPem(value)),
  trustProxy: list(z.string().refine(isAddressRange)),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  echo: toggle,
  dev: toggle,
  daemon: toggle,
  pidFile: text,
  connectTimeout: whole(0, HOUR),
  // In a config file only
  url: text,
  maxPending: whole(1, 1_000_000),
  maxBuffered: whole(1, 2 ** 32),
  overflow: z.enum(['close', 'dropOldest', 'dropNewest', 'collapse']),
  maxConnectionsPerUid: whole(1, 10_000),
  maxHandshakes: whole(1, MILLIONS),
  maxMessagesPerSecondPerIp: whole(0, MILLIONS),
  maxGroupsPerConnection: whole(1, 100_000),
  storeWait: whole(10, HOUR),
  maxInboxBytes: whole(1, 2 ** 32),
  maxWaitingBytes: whole(1024, 2 ** 32),
  handshakeTimeout: whole(10, HOUR),
  requestTimeout: whole(10, HOUR),
  codec: z.enum(['binary', 'json']),
})

export type SettingKey = keyof typeof settingsSchema.shape
/** What was given, wherever it was given. */
export type Settings = Partial<z.infer<typeof settingsSchema>>

/** Where a setting was given: flag beats environment beats file. */
export type Source = 'file' | 'environment' | 'flag'
