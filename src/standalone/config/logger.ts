import { type DestinationStream, pino, stdSerializers } from 'pino'
import type { Logger } from '../../index.ts'
import type { Config } from './config-check.ts'

const STDERR = 2

export interface LevelledLogger extends Logger {
  level: string
  isLevelEnabled(level: string): boolean
}

/** Logs to stderr, because stdout has the ready line. Writes synchronously, so that a crash loses no line. */
export async function createLogger({ logLevel, dev }: Pick<Config, 'logLevel' | 'dev'>): Promise<LevelledLogger> {
  const options = { level: logLevel, serializers: { error: stdSerializers.err } }
  const destination = dev ? await readable() : pino.destination({ dest: STDERR, sync: true })
  const logger: LevelledLogger = pino(options, destination)
  return logger
}

/** Runs `work` without logging warnings. A server that cannot start says why in one line at the end. */
export async function withoutWarnings<T>(logger: LevelledLogger, work: () => Promise<T>): Promise<T> {
  const { level } = logger
  if (level === 'info' || level === 'warn') logger.level = 'error'
  try {
    return await work()
  } finally {
    logger.level = level
  }
}

/** Logs for people, with --dev. */
async function readable(): Promise<DestinationStream> {
  const { build } = await import('pino-pretty')
  return build({ destination: STDERR, sync: true, colorize: process.stderr.isTTY, ignore: 'pid,hostname' })
}
