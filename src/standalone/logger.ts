import { pino, stdSerializers } from 'pino'
import type { Logger } from '../index.ts'
import type { Config } from './config-check.ts'

const STDERR = 2

/** pino on stderr, for stdout has the ready line; to read along with --dev. Synchronous: what is logged last matters most. */
export async function createLogger({ logLevel, dev }: Pick<Config, 'logLevel' | 'dev'>): Promise<Logger> {
  const options = { level: logLevel, serializers: { error: stdSerializers.err } }
  if (!dev) return pino(options, pino.destination({ dest: STDERR, sync: true }))
  const { build } = await import('pino-pretty')
  return pino(
    options,
    build({ destination: STDERR, sync: true, colorize: process.stderr.isTTY, ignore: 'pid,hostname' }),
  )
}
