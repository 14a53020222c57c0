import type { OptionRow } from '../../index.ts'
// Not from `index.ts`: that loads the whole library, which takes longer than printing the help or refusing a bad flag.
import { optionTable } from '../../options.ts'

type Table = typeof optionTable
export type Row = Exclude<OptionRow, { type: 'code' }>

/** An option of `createServer` that a config file can hold. */
export type OptionKey = { [Name in keyof Table]: Table[Name] extends Row ? Name : never }[keyof Table]

/** The options that a config file can hold, by name. */
export const optionRows = Object.entries<OptionRow>(optionTable).filter(
  (row): row is [OptionKey, Row] => row[1].type !== 'code',
)

export const optionKeys: readonly OptionKey[] = optionRows.map(([key]) => key)
