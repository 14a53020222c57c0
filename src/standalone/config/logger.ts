import { type DestinationStream, pino, stdSerializers } from 'pino'
import type { Logger } from '../../index.ts'
import type { Config } from './config-check.ts'

const STDERR = 2

export interface LevelledLogger extends Logger {
  level: string
}

/** On stderr, for stdout has the ready line. Synchronous: what is logged last matters most. */
export async function createLogger({ logLevel, dev }: Pick<Config, 'logLevel' | 'dev'>): Promise<LevelledLogger> {
  const options = { level: logLevel, serializers: { error: stdSerializers.err } }
  const destination = dev ? await readable() : pino.destination({ dest: STDERR, sync: true })
  const logger: LevelledLogger = pino(options, destination)
  return logger
}

/** While a server starts, its warnings are left to the one line that says in the end why it could not. */
export async function withoutWarnings<T>(logger: LevelledLogger, work: () => Promise<T>): Promise<T> {
  const { level } = logger
  if (level === 'info' || level === 'warn') logger.level = 'error'
  try {
    return await work()
  } finally {
    logger.level = level
  }
}

/** To read along with --dev. */
async function readable(): Promise<DestinationStream> {
  const { build } = await import('pino-pretty')
  return build({ destination: STDERR, sync: true, colorize: process.stderr.isTTY, ignore: 'pid,hostname' })
}
