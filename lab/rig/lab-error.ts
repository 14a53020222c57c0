/** Ends a command of the lab with its message, which says what to change, instead of a stack trace. */
export class LabError extends Error {
  override readonly name = 'LabError'
}
