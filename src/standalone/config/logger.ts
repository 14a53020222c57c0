import { type DestinationStream, type LoggerOptions, pino, stdSerializers } from 'pino'
import type { Logger } from '../../index.ts'
import type { Config } from './config-check.ts'

const STDERR = 2

export interface LevelledLogger extends Logger {
  level: string
  isLevelEnabled(level: string): boolean
}

/** Logs to stderr, because stdout has the ready line. Writes synchronously, so that a crash loses no line. */
export async function createLogger({ logLevel, dev }: Pick<Config, 'logLevel' | 'dev'>): Promise<LevelledLogger> {
  /** The lines that are held back at the moment. */
  const held: { lines?: (() => void)[] | undefined } = {}
  const options: LoggerOptions = {
    level: logLevel,
    serializers: { error: stdSerializers.err },
    hooks: {
      logMethod(args, write, level) {
        const log = (): void => write.apply(this, args)
        if (held.lines === undefined || level > WARN) log()
        else held.lines.push(log)
      },
    },
  }
  const destination = dev ? await readable() : pino.destination({ dest: STDERR, sync: true })
  const logger: LevelledLogger = pino(options, destination)
  heldBack.set(logger, held)
  return logger
}

const WARN = 40
const heldBack = new WeakMap<LevelledLogger, { lines?: (() => void)[] | undefined }>()

/**
 * Runs `work`, and logs its warnings only once it has succeeded: a server that cannot start says why in one line at the
 * end.
 */
export async function holdingWarnings<T>(logger: LevelledLogger, work: () => Promise<T>): Promise<T> {
  const held = heldBack.get(logger)
  if (held === undefined || !['info', 'warn'].includes(logger.level)) return await work()
  const lines: (() => void)[] = []
  held.lines = lines
  try {
    const result = await work()
    held.lines = undefined
    for (const log of lines) log()
    return result
  } finally {
    held.lines = undefined
  }
}

/** Logs for people, with --dev. */
async function readable(): Promise<DestinationStream> {
  const { build } = await import('pino-pretty')
  return build({ destination: STDERR, sync: true, colorize: process.stderr.isTTY, ignore: 'pid,hostname' })
}
