import type { SettingKey } from './settings.ts'

/** One flag of `flotilla start`; `--dead-after` is also `FLOTILLA_DEAD_AFTER`, and `deadAfter` in a config file. */
export interface Flag {
  readonly key: SettingKey
  /** Without the dashes. */
  readonly name: string
  readonly short?: string
  /** What stands after it in the help; none for a switch. */
  readonly argument?: string
  readonly repeats?: true
  readonly help: string
  /** Completes "--port takes …". */
  readonly takes: string
  /** Never shown in a message, nor kept on disk; a URL only where it may hold a password. */
  readonly secret?: true | 'in-url'
  /** Relative to where it was written: the working directory, or the config file's folder. */
  readonly path?: true
}
