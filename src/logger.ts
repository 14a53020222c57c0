/** A logger with the methods of pino's: the fields come first, then the message. */
export interface Logger {
  debug(fields: object, message?: string): void
  info(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
}

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }
