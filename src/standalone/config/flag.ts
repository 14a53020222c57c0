import type { SettingKey } from './settings.ts'

/** One flag of `flotilla start`; `--dead-after` is also `FLOTILLA_DEAD_AFTER`, and `deadAfter` in a config file. */
export interface Flag {
  readonly key: SettingKey
  /** Without the dashes. */
  readonly name: string
  readonly short?: string
  /** The word after the flag in the help, such as `HOST`. A switch has none. */
  readonly argument?: string
  readonly repeats?: true
  readonly help: string
  /** All words that it takes, if these are few. */
  readonly choices?: readonly string[]
  /** Completes "--port takes …". */
  readonly takes: string
  /**
   * The value is never shown in a message, nor kept on disk. `in-url`: it is kept unless the URL may hold a password.
   */
  readonly secret?: true | 'in-url'
  /** The value is a path: relative to the working directory or, in a config file, to that file's folder. */
  readonly path?: true
}
