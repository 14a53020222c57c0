#!/usr/bin/env node
import { CommanderError } from 'commander'
import { createProgram, type Run } from './commands/program.ts'
import { CliError, ExitCode, reasonOf } from './common/cli-error.ts'
import { flags } from './config/flags.ts'

async function main(args: readonly string[]): Promise<number> {
  try {
    dropEmptyVariables()
    const run = choose(args)
    return run === undefined ? ExitCode.ok : await run()
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`)
    return error instanceof CliError ? error.exitCode : ExitCode.failed
  }
}

/** As for the settings of a server: a compose file passes on a variable that is not set as an empty one. */
function dropEmptyVariables(): void {
  for (const [name, value] of Object.entries(process.env))
    if (name.startsWith('FLOTILLA_') && value === '') delete process.env[name]
}

/** Returns undefined if commander has already printed all that was asked for: the help, or the version. */
function choose(args: readonly string[]): Run | undefined {
  let chosen: Run | undefined
  const program = createProgram((run) => {
    chosen = run
  })
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({ outputError: () => undefined })
  }
  try {
    program.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return undefined
    throw new CliError(sentenceOf(error), ExitCode.usage)
  }
  return chosen
}

function withSubcommands(command: ReturnType<typeof createProgram>): (typeof command)[] {
  return [command, ...command.commands.flatMap((inner) => withSubcommands(inner))]
}

/** One sentence for a command line that commander refuses. If no command was given, commander has printed the help. */
function sentenceOf({ code, message }: CommanderError): string {
  if (code === 'commander.help') return 'no command was given: the help above lists them'
  const flag = flags.find(({ name }) => message.includes(`--${name} `))
  if (code === 'commander.optionMissingArgument' && flag !== undefined) return `--${flag.name} takes ${flag.takes}`
  const missing = /missing required argument '(.+)'/.exec(message)?.[1]
  if (missing !== undefined) return `${missing} is missing: --help shows where it goes`
  return withoutValue(message).replace(/^error: /, '')
}

/**
 * Drops the value of an unknown flag: the flag may be misspelt and the value a secret, as in `--api-kye=…`, `-kSECRET`.
 */
function withoutValue(message: string): string {
  return message.replace(/^(error: unknown option '(?:--[^=\s']*|-[^-'])).*'/s, "$1'")
}

// Exit explicitly: a timer that a user's module has left running must not keep a stopped server alive.
process.exit(await main(process.argv.slice(2)))
