import { type DestinationStream, pino, stdSerializers } from 'pino'
import type { Logger } from '../index.ts'
import type { Config } from './config-check.ts'

const STDERR = 2

/** On stderr, for stdout has the ready line. Synchronous: what is logged last matters most. */
export async function createLogger({ logLevel, dev }: Pick<Config, 'logLevel' | 'dev'>): Promise<Logger> {
  const options = { level: logLevel, serializers: { error: stdSerializers.err } }
  const destination = dev ? await readable() : pino.destination({ dest: STDERR, sync: true })
  const logger: Logger = pino(options, destination)
  return logger
}

/** To read along with --dev. */
async function readable(): Promise<DestinationStream> {
  const { build } = await import('pino-pretty')
  return build({ destination: STDERR, sync: true, colorize: process.stderr.isTTY, ignore: 'pid,hostname' })
}
