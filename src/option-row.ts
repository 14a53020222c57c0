/** The description of one option. In its texts, the names of options and error codes are in backticks. */
export type OptionRow = NumberOption | ChoiceOption | ValueOption | CodeOption

interface Described {
  /** The purpose of the option in one sentence, without the default. */
  readonly help: string
}

interface Setting extends Described {
  /** Completes "it takes …". */
  readonly takes: string
  /**
   * The part of `flotilla start --help` that lists its flag. An option without it has no flag: code or a config file
   * sets it.
   */
  readonly flag?: 'listen' | 'cluster'
}

/** A whole number from `min` to `max`, both included. */
export interface NumberOption extends Setting {
  readonly type: 'number'
  readonly unit: 'ms' | 'bytes' | 'count'
  readonly default: number
  readonly min: number
  readonly max: number
  /** Completes "0 for …", if 0 has a meaning of its own. */
  readonly zero?: string
}

/** One of a few words. */
export interface ChoiceOption<Choice extends string = string> extends Setting {
  readonly type: 'choice'
  readonly choices: readonly Choice[]
  readonly default: Choice
}

/** Any other value that a config file can hold. */
export interface ValueOption extends Setting {
  readonly type: 'text' | 'switch' | 'list'
  /** The default in words. */
  readonly default: string
}

/** A function or an object, which only code can give. */
export interface CodeOption extends Described {
  readonly type: 'code'
  /** The default in words. */
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
