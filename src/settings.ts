import { randomBytes, randomUUID } from 'node:crypto'
import type { ErrorReport, Overflow } from './api.ts'
import type { Driver } from './drivers/driver.ts'
import { memory } from './drivers/memory/memory.ts'
import { binaryCodec } from './envelope/binary-codec.ts'
import type { Codec } from './envelope/envelope.ts'
import { jsonCodec } from './envelope/json-codec.ts'
import { FlotillaError, isFlotillaError } from './errors.ts'
import { checkNames } from './lib/checked-names.ts'
import { shown } from './lib/shown.ts'
import { type Logger, silent } from './logger.ts'
import type { NumberOption, OptionRow } from './option-row.ts'
import { COMPRESSION_THRESHOLD, type CompressionOptions, optionTable, type ServerOptions } from './options.ts'

type Table = typeof optionTable
type NumberName = { [Name in keyof Table]: Table[Name] extends NumberOption ? Name : never }[keyof Table]
type Numbers = Readonly<Record<NumberName, number>>

/** Every option with its value: the one that was given, or the default. */
export interface Settings extends Numbers {
  readonly driver: Driver
  readonly logger: Logger
  readonly onError: (report: ErrorReport) => void
  readonly name: string
  readonly url: string | undefined
  readonly prefix: string
  readonly compression: { readonly threshold: number } | undefined
  readonly overflow: Overflow
  readonly trustProxy: readonly string[]
  readonly codec: Codec
  readonly generateUid: () => string
}

/** @throws FlotillaError `FLT_BAD_OPTION`, naming the option and what it takes */
export function parseOptions(options: ServerOptions): Settings {
  checkNames('createServer', options, Object.keys(optionTable))
  const settings = {
    ...parseNumbers(options),
    driver: parseDriver(options.driver),
    logger: options.logger === undefined || options.logger === false ? silent : options.logger,
    name: parseWord('name', options.name ?? randomBytes(3).toString('hex')),
    prefix: parseWord('prefix', options.prefix ?? optionTable.prefix.default),
    url: options.url,
    compression: parseCompression(options.compression),
    trustProxy: listOf('trustProxy', options.trustProxy),
    overflow: overflowOf(options.overflow),
    codec: codecOf(options.codec),
    generateUid: options.generateUid ?? randomUUID,
  }
  if (settings.deadAfter < 3 * settings.heartbeat) {
    throw badOption('deadAfter', `must be at least three heartbeats, which are ${3 * settings.heartbeat} ms`)
  }
  if (settings.maxLag !== 0 && settings.maxLag < settings.deadAfter) {
    throw badOption('maxLag', `must be 0, for no limit, or at least deadAfter, which is ${settings.deadAfter} ms`)
  }
  return { ...settings, onError: guarded(options.onError, settings.logger) }
}

function parseNumbers(options: ServerOptions): Numbers {
  const rows = Object.entries(optionTable) as [keyof Table, OptionRow][]
  const numbers = rows.flatMap(([name, row]) =>
    row.type === 'number' ? [[name, parseNumber(name, row, options[name])] as const] : [],
  )
  return Object.fromEntries(numbers) as Numbers
}

function parseNumber(name: string, row: NumberOption, value: unknown): number {
  if (value === undefined) return row.default
  if (typeof value === 'number' && Number.isInteger(value) && value >= row.min && value <= row.max) return value
  throw badOption(name, `is ${shown(value)}: give a whole number from ${row.min} to ${row.max}`)
}

/** A name or prefix becomes part of keys and ids, so it must not contain their separators. */
function parseWord(option: 'name' | 'prefix', value: unknown): string {
  if (typeof value === 'string' && /^[\w.-]{1,64}$/.test(value)) return value
  throw badOption(option, `is ${shown(value)}: give ${optionTable[option].takes}`)
}

function parseDriver(driver: unknown = memory()): Driver {
  const { state, queue } = (driver ?? {}) as Partial<Driver>
  if (typeof state === 'function' && typeof queue === 'function') return driver as Driver
  throw badOption('driver', 'has no state() and queue(): give what memory() or redis({ url }) returns')
}

/** Checks that it is a list. The code that uses the list checks its items. */
function listOf<T>(option: string, value: readonly T[] = []): readonly T[] {
  if (Array.isArray(value)) return value
  throw badOption(option, `is ${shown(value)}: give a list`)
}

function overflowOf(overflow: unknown = optionTable.overflow.default): Overflow {
  const { choices } = optionTable.overflow
  const chosen = choices.find((choice) => choice === overflow)
  if (chosen !== undefined) return chosen
  throw badOption('overflow', `is ${shown(overflow)}: give one of ${choices.join(', ')}`)
}

function parseCompression(compression: unknown = false): Settings['compression'] {
  if (compression === false) return undefined
  if (compression === true) return { threshold: COMPRESSION_THRESHOLD }
  if (isCompression(compression)) return { threshold: compression.threshold ?? COMPRESSION_THRESHOLD }
  throw badOption('compression', `is ${shown(compression)}: give true, false or { threshold: BYTES }`)
}

function isCompression(value: unknown): value is CompressionOptions {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { threshold = 0, ...others } = value as CompressionOptions
  return Number.isInteger(threshold) && threshold >= 0 && Object.keys(others).length === 0
}

function codecOf(codec: ServerOptions['codec'] = 'binary'): Codec {
  if (codec === 'binary') return binaryCodec
  if (codec === 'json') return jsonCodec
  if (
    typeof codec === 'object' &&
    codec !== null &&
    typeof codec.encode === 'function' &&
    typeof codec.decode === 'function'
  )
    return codec
  throw badOption('codec', "must be 'binary', 'json' or an object with encode and decode")
}

/**
 * Logs every report before it calls `onError`. If `onError` throws, that is logged too: there is nobody else to tell.
 */
function guarded(onError: ServerOptions['onError'], logger: Logger): (report: ErrorReport) => void {
  return (report) => {
    const { phase, error, connection } = report
    const isCallers = isFlotillaError(error) && error.status < 500
    logger[isCallers ? 'debug' : 'warn']({ phase, error, connection: connection?.id }, `an error in the phase ${phase}`)
    try {
      onError?.(report)
    } catch (failure) {
      logger.error({ error: failure }, 'onError itself has failed')
    }
  }
}

function badOption(name: string, what: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `${name} ${what}`)
}
