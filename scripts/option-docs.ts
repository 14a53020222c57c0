// Writes the table of options in docs/library.md from the one in src/options.ts.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type NumberOption, type OptionRow, optionTable } from '../src/index.ts'
import { flags } from '../src/standalone/config/flags.ts'

const file = new URL('../docs/library.md', import.meta.url)
const place = /(<!-- options: npm run docs -->\n\n).*?\n?<!-- end of options -->/s

export function readDocs(): string {
  return readFileSync(file, 'utf8')
}

/** The docs with an up-to-date table. */
export function withOptions(docs: string): string {
  if (!place.test(docs)) throw new Error(`${file.pathname} lacks the comments around its table of options`)
  return docs.replace(place, (_, begin: string) => `${begin}${table()}\n<!-- end of options -->`)
}

function table(): string {
  const rows = Object.entries<OptionRow>(optionTable).map(([name, row]) => cellsOf(name, row))
  return aligned([['option', 'default', 'from … to', '`flotilla start`', ''], ...rows])
}

function cellsOf(name: string, row: OptionRow): string[] {
  const zero = row.type === 'number' && row.zero !== undefined ? `; 0 for ${row.zero}` : ''
  return [`\`${name}\``, defaultOf(row), boundsOf(row), placeOf(name, row), row.help + zero]
}

/** The flag of the standalone server, or its config file. */
function placeOf(name: string, row: OptionRow): string {
  if (row.type === 'code') return ''
  const flag = flags.find(({ key }) => key === name)
  return flag === undefined ? 'config file' : `\`--${flag.name}\``
}

function defaultOf(row: OptionRow): string {
  if (row.type === 'number') return amountOf(row.default, row)
  return row.type === 'choice' ? `\`${row.default}\`` : row.default
}

function boundsOf(row: OptionRow): string {
  return row.type === 'number' ? `${amountOf(row.min, row)} … ${amountOf(row.max, row)}` : ''
}

const HOUR = 3_600_000

function amountOf(amount: number, { unit }: NumberOption): string {
  if (amount === 0 || unit === 'count') return String(amount)
  if (unit === 'ms') return amount % HOUR === 0 ? `${amount / HOUR} h` : `${amount} ms`
  const power = Math.min(3, Math.floor(Math.log2(amount) / 10))
  return `${amount / 1024 ** power} ${['B', 'KiB', 'MiB', 'GiB'][power]}`
}

/** Aligns the table as oxfmt does. */
export function aligned(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)))
  const lines = [rows[0]!, widths.map((width) => '-'.repeat(width)), ...rows.slice(1)].map(
    (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |\n`,
  )
  return lines.join('')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, withOptions(readDocs()))
