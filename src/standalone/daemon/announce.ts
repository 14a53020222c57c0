import { closeSync, writeSync } from 'node:fs'

/** The descriptor on which a process that `start --daemon` has started reports how its start went. */
export const ANNOUNCE_VARIABLE = 'FLOTILLA_ANNOUNCE_FD'

export type Announcement =
  | { readonly type: 'ready'; readonly line: string }
  | { readonly type: 'failed'; readonly line: string; readonly exitCode: number }

/** Says how a start went: on stdout and stderr, or to the process that waits in the foreground. */
export class Announcer {
  readonly #fd: number | undefined

  constructor(fd: string | undefined) {
    this.#fd = fd === undefined ? undefined : Number(fd)
  }

  get isBackground(): boolean {
    return this.#fd !== undefined
  }

  ready(line: string): void {
    if (this.#fd === undefined) process.stdout.write(`${line}\n`)
    else tell(this.#fd, { type: 'ready', line })
  }

  failed(line: string, exitCode: number): void {
    process.stderr.write(`${line}\n`)
    if (this.#fd !== undefined) tell(this.#fd, { type: 'failed', line, exitCode })
  }
}

function tell(fd: number, announcement: Announcement): void {
  try {
    writeSync(fd, `${JSON.stringify(announcement)}\n`)
    closeSync(fd)
  } catch {
    // The waiting process has gone. The log has the line anyway.
  }
}
