const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const
const PARENT_POLL = 500

/**
 * Ends this process, and with it every process that it started, on a signal or when its parent is gone. A signal alone
 * is not enough: npm passes SIGTERM on to its shell, and if that is dash, the shell ends without passing it on.
 */
export function endWithParent(): void {
  for (const [signal, code] of Object.entries(codes)) process.on(signal, () => process.exit(code))
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) process.exit(codes.SIGTERM)
  }, PARENT_POLL).unref()
}
