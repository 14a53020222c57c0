/** What there is to know of one option. In its texts, names of options and error codes stand in backticks. */
export type OptionRow = NumberOption | ChoiceOption | ValueOption | CodeOption

interface Described {
  /** What it is, in one sentence; the default is told apart. */
  readonly help: string
}

interface Setting extends Described {
  /** Completes "it takes …". */
  readonly takes: string
  /** The part of `flotilla start --help` that lists its flag. Without one, code and a config file alone give it. */
  readonly flag?: 'listen' | 'cluster'
}

/** A whole number, bounds included. */
export interface NumberOption extends Setting {
  readonly type: 'number'
  readonly unit: 'ms' | 'bytes' | 'count'
  readonly default: number
  readonly min: number
  readonly max: number
  /** What 0 stands for, completing "0 for …", if it is more than a small number. */
  readonly zero?: string
}

/** One of a few words. */
export interface ChoiceOption<Choice extends string = string> extends Setting {
  readonly type: 'choice'
  readonly choices: readonly Choice[]
  readonly default: Choice
}

/** Some other value that a config file can hold. */
export interface ValueOption extends Setting {
  readonly type: 'text' | 'switch' | 'list'
  /** In words. */
  readonly default: string
}

/** A function or an object, which code alone can give. */
export interface CodeOption extends Described {
  readonly type: 'code'
  /** In words. */
  readonly default: string
}

type NumberRow = Omit<NumberOption, 'type' | 'unit' | 'takes'> & { readonly takes?: string }

export function milliseconds(row: NumberRow): NumberOption {
  return { type: 'number', unit: 'ms', takes: `a time in milliseconds, ${rangeOf(row)}`, ...row }
}

export function bytes(row: NumberRow): NumberOption {
  return { type: 'number', unit: 'bytes', takes: `a whole number of bytes, ${rangeOf(row)}`, ...row }
}

export function count(row: NumberRow): NumberOption {
  return { type: 'number', unit: 'count', takes: `a whole number from ${rangeOf(row)}`, ...row }
}

function rangeOf({ min, max, zero }: NumberRow): string {
  return zero === undefined ? `${min} to ${max}` : `${min} to ${max}, 0 for ${zero}`
}

export function choice<Choice extends string>(row: Omit<ChoiceOption<Choice>, 'type' | 'takes'>): ChoiceOption<Choice> {
  return { type: 'choice', takes: `${row.choices.slice(0, -1).join(', ')} or ${row.choices.at(-1)}`, ...row }
}

export function value(row: ValueOption): ValueOption {
  return row
}

export function code(row: Omit<CodeOption, 'type'>): CodeOption {
  return { type: 'code', ...row }
}
