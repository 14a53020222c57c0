import { LabError } from './lab-error.ts'

/** The result of `parse`. If it throws, the error also shows the usage text. */
export function orUsage<Parsed>(usage: string, parse: () => Parsed): Parsed {
  try {
    return parse()
  } catch (error) {
    throw new LabError(`${(error as Error).message}\n\n${usage}`)
  }
}

export function positive(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (value > 0) return value
  throw new LabError(`${option} is ${text}: give a number above 0`)
}

export function whole(
  option: string,
  text: string | undefined,
  otherwise: number,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  const range = most === Number.MAX_SAFE_INTEGER ? `, ${least} or more` : `, from ${least} to ${most}`
  throw new LabError(`${option} is ${text}: give a whole number${range}`)
}

/** The value of an option, which has to be one of these names. */
export function choice<Name extends string>(option: string, name: string, names: readonly Name[]): Name {
  const found = names.find((each) => each === name)
  if (found !== undefined) return found
  throw new LabError(`${option} is ${name}: choose from ${names.join(', ')}`)
}

/** The item with this name. */
export function named<Item>(what: string, name: string, items: readonly Item[], nameOf: (item: Item) => string): Item {
  const found = items.find((each) => nameOf(each) === name)
  if (found !== undefined) return found
  throw new LabError(`there is no ${what} '${name}': choose from ${items.map(nameOf).join(', ')}`)
}
