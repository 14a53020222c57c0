import { Argument, Command, Option } from 'commander'
import { usageError } from '../common/cli-error.ts'
import { packageVersion } from '../common/package-version.ts'
import { environmentName } from '../config/flags.ts'
import { addStartFlags, argsOf, collect, flagValues } from '../config/start-flags.ts'
import { DEFAULT_PID_FILE } from '../daemon/pid-file.ts'
import { completion, isShell, shells } from './completion.ts'
import type { PushOptions } from './push-command.ts'
import type { TokenOptions } from './token.ts'

/** Resolves to the exit code. */
export type Run = () => Promise<number>

const STOP_TIMEOUT = '20000'

/**
 * Builds the command line. `chosen` receives the work of the given command, which imports only the code that it needs.
 */
export function createProgram(chosen: (run: Run) => void): Command {
  const program = new Command('flotilla')
    .description('Clustered WebSocket push: reach any user, group or everyone, on whichever server they are connected.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .addHelpText('after', '\nTo try it:  flotilla start --dev\nHelp on a command:  flotilla COMMAND --help')
  addStart(program, chosen)
  addControl(program, chosen)
  addPush(program, chosen)
  addToken(program, chosen)
  addNew(program, chosen)
  addCompletion(program, chosen)
  return program
}

function addStart(program: Command, chosen: (run: Run) => void): void {
  const command = program
    .command('start')
    .summary('run a server, or start one in the background')
    .description(
      'Runs a server and prints one line when it accepts connections:\n  ready node=<id> url=http://127.0.0.1:18308\nLogs go to stderr.\n\nSIGTERM, SIGQUIT: not ready, but open, for --drain-delay; then closes as SIGINT does\nSIGINT, SIGUSR2: closes; another signal ends it at once\nSIGHUP: reads certificates, keys, origins and log level again; on a terminal, closes',
    )
    .addHelpText(
      'after',
      `
Every flag can also be given as an environment variable (--dead-after as
${environmentName('dead-after')}) or in a config file (as deadAfter; --module as modules, a list).
A flag beats the environment, and the environment beats the file.

To try it:
  flotilla start --dev
On each machine of a cluster:
  flotilla start --host 10.0.0.11 --redis redis://10.0.0.5 \\
    --token-secret SECRET --api-key KEY`,
    )
  addStartFlags(command)
  command.action((options: Record<string, unknown>) => {
    const values = flagValues(options)
    chosen(async () => (await import('./start.ts')).start(values, argsOf(values)))
  })
}

function addControl(program: Command, chosen: (run: Run) => void): void {
  program
    .command('stop')
    .summary('stop a server that runs in the background')
    .description(
      'Stops the server that the pid file names and waits until it has closed.\nExit code 0: it was stopped; 1: it could not be stopped; 3: no server was running.',
    )
    .addOption(pidFileOption())
    .addOption(timeoutOption())
    .action(({ pidFile, timeout }: { pidFile: string; timeout: string }) => {
      chosen(async () => (await import('./stop.ts')).stop(pidFile, parseTimeout(timeout)))
    })
  const restart = program
    .command('restart')
    .summary('stop a server and start it again')
    .description(
      'Stops the server that the pid file names and starts it again in the background, with the same flags as before. If any flags of "flotilla start" are given here, it starts with those instead.\nSecrets are not kept: set them in the environment, such as FLOTILLA_TOKEN_SECRET.\nExit code 0: it runs again; 1: it does not; 3: no server was running, and no flags were given.',
    )
    .addOption(timeoutOption())
  addStartFlags(restart, true)
  restart.action((options: Record<string, unknown>) => {
    const { pidFile = process.env['FLOTILLA_PID_FILE'] ?? DEFAULT_PID_FILE, ...values } = flagValues(options)
    const timeout = String(options['timeout'])
    chosen(async () =>
      (await import('./restart.ts')).restart(
        String(pidFile),
        parseTimeout(timeout),
        argsOf({ ...values, daemon: undefined }),
      ),
    )
  })
  program
    .command('status')
    .summary('say whether a server is running')
    .description(
      'Says whether the server that the pid file names is running, since when, and what it says of its connections and of the cluster.\nExit code 0: it is running; 1: it died; 3: there is no server.',
    )
    .addOption(pidFileOption())
    .addOption(apiKeyOption())
    .action(({ pidFile, apiKey }: { pidFile: string; apiKey?: string }) => {
      chosen(async () => (await import('./status.ts')).status(pidFile, apiKey))
    })
}

function addPush(program: Command, chosen: (run: Run) => void): void {
  program
    .command('push')
    .summary('push a message to a user, a group or everyone')
    .description(
      'Pushes a message over the HTTP API of a running server and prints the receipt. Says on stderr who was not there.\nExit code 0: the push was made; 1: it failed; 4: somebody was not there, with --fail-offline.',
    )
    .argument('<MESSAGE>', 'the text to send, unchanged')
    .optionsGroup('To whom (exactly one of these flags):')
    .addOption(new Option('--uid <UID>', 'a user; may be repeated').argParser(collect))
    .addOption(new Option('--group <GROUP>', 'a group; may be repeated').argParser(collect))
    .addOption(new Option('--connection <ID>', 'a connection; may be repeated').argParser(collect))
    .option('--all', 'everyone')
    .optionsGroup('Options:')
    .option('--json', 'MESSAGE is JSON')
    .option('--id <ID>', 'an id of your choice; within ten minutes, a push is sent only once per id')
    .option('--key <KEY>', 'what the message is about; a client that reads too slowly may get only the newest of a key')
    .option('--hold <MS>', 'with --uid: for how many ms, at most 60000, it waits for a user who is offline')
    .option(
      '--fail-offline',
      'end with exit code 4 if a user or a connection is offline, and the message not held, or if nobody is in the groups',
    )
    .addOption(new Option('--url <URL>', "the server's URL").env('FLOTILLA_URL').default('http://127.0.0.1:18308'))
    .addOption(apiKeyOption())
    .action((message: string, options: PushOptions) => {
      chosen(async () => (await import('./push-command.ts')).push(message, options))
    })
}

function addToken(program: Command, chosen: (run: Run) => void): void {
  program
    .command('token')
    .summary('print a token for a user')
    .description('Prints a token (JWT, HS256) for a user. A client sends it as ?token=… or "Authorization: Bearer …".')
    .option('--uid <UID>', "the user's id")
    .option('--groups <LIST>', 'groups to join, separated by commas; the server needs the same --groups-claim')
    .addOption(
      new Option('--groups-claim <NAME>', 'the claim that lists the groups (default: groups)').env(
        'FLOTILLA_GROUPS_CLAIM',
      ),
    )
    .option('--expires <TIME>', 'how long the token is valid: 90s, 15m, 1h, 7d', '1h')
    .addOption(new Option('--token-secret <SECRET>', "the server's --token-secret").env('FLOTILLA_TOKEN_SECRET'))
    .addOption(new Option('--token-issuer <ISS>', "the server's --token-issuer").env('FLOTILLA_TOKEN_ISSUER'))
    .addOption(new Option('--token-audience <AUD>', "the server's --token-audience").env('FLOTILLA_TOKEN_AUDIENCE'))
    .action((options: TokenOptions, command: Command) => {
      // Only if it is a flag: in the environment it may be meant for the server.
      if (command.getOptionValueSource('groupsClaim') === 'cli' && options.groups === undefined)
        throw usageError('--groups-claim needs --groups: without groups there is nothing to list')
      chosen(async () => (await import('./token.ts')).token(options))
    })
}

function addNew(program: Command, chosen: (run: Run) => void): void {
  const command = program.command('new').summary('write a starter file').description('Writes a starter file.')
  command
    .helpCommand(false)
    .command('module')
    .description('Writes NAME.ts, a module with chat rooms, and says how to run it.')
    .argument('<NAME>', 'lower-case letters, digits and "-"; also the path of the module')
    .action((name: string) => {
      chosen(async () => (await import('./new-module.ts')).newModule(name))
    })
}

function addCompletion(program: Command, chosen: (run: Run) => void): void {
  program
    .command('completion')
    .summary('print a script that completes commands in a shell')
    .description(
      `Prints a script that completes commands, flags and files at Tab. To have it in every shell:
  bash:  echo 'source <(flotilla completion bash)' >> ~/.bashrc
  zsh:   echo 'source <(flotilla completion zsh)' >> ~/.zshrc
  fish:  flotilla completion fish > ~/.config/fish/completions/flotilla.fish`,
    )
    .addArgument(shellArgument())
    .action((shell: string) => {
      if (!isShell(shell)) throw usageError(`SHELL takes bash, zsh or fish, not "${shell}"`)
      chosen(async () => completion(shell, program))
    })
}

function pidFileOption(): Option {
  return new Option('--pid-file <FILE>', 'the file that holds the process id')
    .env('FLOTILLA_PID_FILE')
    .default(DEFAULT_PID_FILE)
}

function shellArgument(): Argument {
  const argument = new Argument('<SHELL>', 'your shell')
  argument.argChoices = [...shells]
  return argument
}

function apiKeyOption(): Option {
  return new Option('--api-key <KEY>', "the server's --api-key").env('FLOTILLA_API_KEY')
}

function timeoutOption(): Option {
  return new Option('--timeout <MS>', 'how long the server may take to close, in milliseconds').default(STOP_TIMEOUT)
}

function parseTimeout(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw usageError(`--timeout takes a time in milliseconds, not "${text}"`)
}
