import type { Flag } from './flag.ts'
import { type OptionKey, optionRows, type Row } from './option-keys.ts'

/** The flags that one part of the help lists. */
export function optionFlags(part: Row['flag']): Flag[] {
  return optionRows.filter(([, row]) => row.flag === part).map(([key, row]) => flagOf(key, row))
}

/** Completes "it takes …" for an option without a flag. */
export function takesOf(key: string): string {
  const row = optionRows.find(([name]) => name === key)
  return row === undefined ? 'something else' : withFlags(row[1].takes)
}

function flagOf(key: OptionKey, row: Row): Flag {
  const argument = argumentOf(key, row)
  return {
    key,
    name: flagName(key),
    ...(argument !== undefined && { argument }),
    help: withFlags(helpOf(row)),
    takes: withFlags(row.takes),
  }
}

const ARGUMENTS = { ms: 'MS', bytes: 'BYTES', count: 'N' }

function argumentOf(key: OptionKey, row: Row): string | undefined {
  switch (row.type) {
    case 'number':
      return ARGUMENTS[row.unit]
    case 'list':
      return 'LIST'
    case 'switch':
      return undefined
    case 'text':
    case 'choice':
      return key.toUpperCase()
    default:
      throw row satisfies never
  }
}

function helpOf(row: Row): string {
  const commas = row.type === 'list' ? ', separated by commas' : ''
  const zero = row.type === 'number' && row.zero !== undefined ? `; 0 for ${row.zero}` : ''
  return `${row.help}${commas}${zero} (default: ${row.default})`
}

/** Replaces the names of options, which the table uses, with their flags. */
function withFlags(text: string): string {
  return text.replaceAll(/`(\w+)`/g, (_, word: string) => {
    const named = optionRows.find(([key]) => key === word)
    return named?.[1].flag === undefined ? word : `--${flagName(word)}`
  })
}

/** `--dead-after` for `deadAfter`. */
function flagName(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
