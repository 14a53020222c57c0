export const ExitCode = {
  ok: 0,
  failed: 1,
  /** The command line or a setting is wrong: the same command will fail again. */
  usage: 2,
  /** The exit code of `systemctl status` and init scripts for a service that is not running. */
  notRunning: 3,
  /** `push --fail-offline`: the push was made, but somebody was not there. */
  offline: 4,
} as const

/** Ends a command with one line on stderr and an exit code. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number

  constructor(message: string, exitCode: number = ExitCode.failed, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

export function usageError(message: string): CliError {
  return new CliError(message, ExitCode.usage)
}

/** The message of whatever was thrown, on one line. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message || error.name : String(error)
  return message.replaceAll(/\s*\n\s*/g, ' ').trim()
}

/** The system's code of an error or of its cause, such as `EADDRINUSE`. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('E')) return error.code
  return systemCode(error.cause)
}
