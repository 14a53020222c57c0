/** What ends a command of the lab with a sentence on what to mend rather than with a stack. */
export class LabError extends Error {
  override readonly name = 'LabError'
}
