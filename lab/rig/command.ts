import { LabError } from './lab-error.ts'
import { endWithParent } from './life.ts'

interface Command<Options> {
  readonly usage: string
  /** @throws LabError that says what to change */
  parseOptions(args: string[]): Options | 'help'
  /** Resolves to whether everything is as it should be. */
  run(options: Options): Promise<boolean>
  /** The exit code if the command could not run. By default 1, the same as if something is not as it should be. */
  readonly failureCode?: number
}

/** Runs a command of the lab with the arguments of this process, then exits. */
export async function runCommand<Options>(command: Command<Options>): Promise<never> {
  const { usage, parseOptions, run, failureCode = 1 } = command
  endWithParent()
  try {
    const options = parseOptions(process.argv.slice(2))
    if (options !== 'help') process.exit((await run(options)) ? 0 : 1)
    process.stdout.write(usage)
    process.exit(0)
  } catch (error) {
    process.stderr.write(`${error instanceof LabError ? error.message : String((error as Error).stack)}\n`)
    process.exit(failureCode)
  }
}
