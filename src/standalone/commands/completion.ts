import type { Command, Option } from 'commander'
import { ExitCode } from '../common/cli-error.ts'
import { flags } from '../config/flags.ts'

// The scripts hold all that there is to complete, so that no process starts at each Tab. bash 3.2, the one of macOS,
// runs its script too, without the package bash-completion.

const scripts = { bash, zsh, fish }

export type Shell = keyof typeof scripts
export const shells = Object.keys(scripts) as Shell[]

export function isShell(name: string): name is Shell {
  return Object.hasOwn(scripts, name)
}

/** `flotilla completion`: prints a script that completes this command line in a shell. */
export function completion(shell: Shell, program: Command): number {
  process.stdout.write(scripts[shell](program))
  return ExitCode.ok
}

// ---- what there is to complete

/** A command, such as `flotilla new module`, whose path is `['flotilla', 'new', 'module']`. */
interface Entry {
  readonly path: readonly string[]
  readonly commands: readonly { readonly name: string; readonly help: string }[]
  readonly flags: readonly CompletedFlag[]
  /** The words that its argument may be. */
  readonly words: readonly string[]
}

interface CompletedFlag {
  readonly names: readonly string[]
  readonly help: string
  /** What follows it, as the help calls it. */
  readonly argument: string
  /** What can follow it. `text` cannot be completed. */
  readonly value: 'none' | 'text' | 'file' | readonly string[]
  readonly repeats: boolean
}

function entriesOf(command: Command, path: readonly string[] = [command.name()]): Entry[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command)
  const entry = {
    path,
    commands: commands.map((inner) => ({ name: inner.name(), help: inner.summary() || inner.description() })),
    flags: help.visibleOptions(command).map(flagOf),
    words: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  }
  return [entry, ...commands.flatMap((inner) => entriesOf(inner, [...path, inner.name()]))]
}

function flagOf({ short, long, flags: given, description, parseArg }: Option): CompletedFlag {
  const names = [long, short].filter((name) => name !== undefined)
  return {
    names,
    help: description,
    argument: /<(.+)>/.exec(given)?.[1] ?? '',
    value: valueOf(given, long),
    repeats: parseArg !== undefined,
  }
}

function valueOf(given: string, long: string | undefined): CompletedFlag['value'] {
  if (!given.includes('<')) return 'none'
  if (/<(?:FILE|PATH)>/.test(given)) return 'file'
  return flags.find(({ name }) => `--${name}` === long)?.choices ?? 'text'
}

// ---- bash

function bash(program: Command): string {
  const entries = entriesOf(program)
  const name = program.name()
  const deeper = entries.slice(1).map(({ path }) => `'${path.join(' ')}'`)
  return `# ${name} completion for bash: add this line to ~/.bashrc
#   source <(${name} completion bash)
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}" path=${name} words= i
  # bash takes --flag=value for three words.
  if [[ $current == '=' ]]; then
    current=
  elif [[ $before == '=' ]]; then
    before="\${COMP_WORDS[COMP_CWORD - 2]}"
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
      ${deeper.join(' | ')}) path="$path \${COMP_WORDS[i]}" ;;
      *) break ;;
    esac
  done
  COMPREPLY=()
  compopt +o default 2>/dev/null
  case "$path $before" in
${entries.flatMap(bashValues).join('\n')}
  esac
  case "$path" in
${entries.map(bashWords).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name} ${name}
`
}

function bashValues({ path, flags: all }: Entry): string[] {
  const patterns = (value: CompletedFlag['value']): string =>
    all
      .filter((flag) => String(flag.value) === String(value))
      .flatMap(({ names }) => names.map((name) => `'${path.join(' ')} ${name}'`))
      .join(' | ')
  const lists = [...new Set(all.map(({ value }) => value).filter((value) => typeof value === 'object'))]
  const cases: [string, string][] = [
    [patterns('file'), 'compopt -o default 2>/dev/null; return'],
    [patterns('text'), 'return'],
    ...lists.map((words): [string, string] => [
      patterns(words),
      `COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$current")); return`,
    ]),
  ]
  return cases.filter(([pattern]) => pattern !== '').map(([pattern, body]) => `    ${pattern}) ${body} ;;`)
}

function bashWords({ path, commands, flags: all, words }: Entry): string {
  const first = [...commands.map(({ name }) => name), ...words]
  const names = all.flatMap(({ names: each }) => each)
  return `    '${path.join(' ')}') words='${[...first, ...names].join(' ')}' ;;`
}

// ---- zsh

function zsh(program: Command): string {
  const entries = entriesOf(program)
  const name = program.name()
  return `#compdef ${name}
# ${name} completion for zsh: add this line to ~/.zshrc, below compinit
#   source <(${name} completion zsh)
${entries.map(zshFunction).join('\n')}
compdef _${name} ${name}
`
}

function zshFunction({ path, commands, flags: all, words }: Entry): string {
  const specs = all.map(zshFlag)
  if (words.length > 0) specs.push(`'1: :(${words.join(' ')})'`)
  if (commands.length === 0) return `${functionName(path)}() {\n  _arguments -S ${specs.join(' \\\n    ')}\n}`
  const described = commands.map(({ name, help }) => quoted(`${escaped(name)}:${help}`))
  const deeper = commands.map(({ name }) => `        ${name}) ${functionName([...path, name])} ;;`)
  return `${functionName(path)}() {
  local curcontext="$curcontext" state line
  local -a commands=(${described.join(' ')})
  _arguments -C -S ${[...specs, `'1: :->command'`, `'*:: :->rest'`].join(' \\\n    ')}
  case $state in
    command) _describe command commands ;;
    rest)
      case $line[1] in
${deeper.join('\n')}
      esac ;;
  esac
}`
}

function zshFlag({ names, help, argument, value, repeats }: CompletedFlag): string {
  const action = typeof value === 'object' ? `(${value.join(' ')})` : value === 'file' ? '_files' : ' '
  const text = `[${escaped(help)}]${value === 'none' ? '' : `:${argument}:${action}`}`
  const others = repeats ? '*' : `(${names.join(' ')})`
  return names
    .map((name) => quoted(`${others}${name}${value === 'none' ? '' : name.startsWith('--') ? '=' : '+'}${text}`))
    .join(' ')
}

function functionName(path: readonly string[]): string {
  return `_${path.join('_')}`
}

function escaped(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, String.raw`\$&`)
}

// ---- fish

function fish(program: Command): string {
  const name = program.name()
  return `# ${name} completion for fish: save it once with
#   ${name} completion fish > ~/.config/fish/completions/${name}.fish
complete -c ${name} -f
${entriesOf(program)
  .flatMap((entry) => fishLines(name, entry))
  .join('\n')}
`
}

function fishLines(name: string, { path, commands, flags: all, words }: Entry): string[] {
  const inside = path.slice(1)
  const here = inside.map((command) => `__fish_seen_subcommand_from ${command}`)
  const deeper = commands.map((command) => command.name)
  if (deeper.length > 0) here.push(`not __fish_seen_subcommand_from ${deeper.join(' ')}`)
  const start = `complete -c ${name} -n ${quoted(here.join('; and '))}`
  return [
    ...commands.map((command) => `${start} -a ${command.name} -d ${quoted(command.help)}`),
    ...words.map((word) => `${start} -a ${word}`),
    ...all.map((flag) => `${start} ${fishFlag(flag)} -d ${quoted(flag.help)}`),
  ]
}

function fishFlag({ names, value }: CompletedFlag): string {
  const letters = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  if (value === 'none') return letters.join(' ')
  if (value === 'file') return [...letters, '-r -F'].join(' ')
  return [...letters, value === 'text' ? '-x' : `-x -a ${quoted(value.join(' '))}`].join(' ')
}

/** In single quotes, as zsh reads it; fish also reads `\\'` inside them, so a quote closes and opens them again. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
