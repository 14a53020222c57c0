import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../rig/lab-error.ts'

const source = fileURLToPath(new URL('clock-offset.c', import.meta.url))

export const canSetClocksOff = spawnSync('gcc', ['--version']).status === 0

/** Shifts the wall clocks of processes, each by its own offset, for as long as they live. */
export class ClockOffset {
  readonly #folder = mkdtempSync(join(tmpdir(), 'flotilla-clock-'))
  readonly #library = join(this.#folder, 'clock-offset.so')

  constructor() {
    const { status } = spawnSync('gcc', ['-O2', '-shared', '-fPIC', '-o', this.#library, source], { stdio: 'inherit' })
    if (status !== 0) throw new LabError(`gcc could not compile ${source}`)
  }

  /** The environment of a process whose clock is off by this many ms. */
  environment(ms: number): NodeJS.ProcessEnv {
    return { LD_PRELOAD: this.#library, FLOTILLA_CLOCK_OFFSET_MS: String(ms) }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
