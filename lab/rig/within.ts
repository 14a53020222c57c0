import { withDeadline } from '../../src/lib/deadline.ts'
import { LabError } from './lab-error.ts'

/** The value of a promise. If it takes longer than `ms`, an error says what did not happen. */
export function within<Value>(ms: number, what: string, value: Promise<Value>): Promise<Value> {
  return withDeadline(value, ms, () => new LabError(`${what} within ${ms / 1000} s`))
}
