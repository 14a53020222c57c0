import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { align } from '../../report/align.ts'

/** The part of V8's format that is read here. Times are µs. */
interface ProfileFile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface Spent {
  readonly name: string
  readonly place: string
  self: number
}

const US_PER_MS = 1000
/** Not the process's own work. */
const IDLE = '(idle)'
const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The time that a process spent in each function. */
export class CpuProfile {
  readonly #functions: readonly Spent[]
  readonly #idle: number

  private constructor(functions: readonly Spent[], idle: number) {
    this.#functions = functions
    this.#idle = idle
  }

  /** Adds up all profiles in a folder. */
  static readAll(folder: string): CpuProfile {
    const files = readdirSync(folder).filter((file) => file.endsWith('.cpuprofile'))
    const spent = new Map<string, Spent>()
    for (const file of files) addUp(JSON.parse(readFileSync(join(folder, file), 'utf8')) as ProfileFile, spent)
    const all = [...spent.values()].toSorted((a, b) => b.self - a.self)
    const idle = all.find(({ name }) => name === IDLE)?.self ?? 0
    return new CpuProfile(
      all.filter(({ name }) => name !== IDLE),
      idle,
    )
  }

  get busy(): number {
    return this.#functions.reduce((sum, { self }) => sum + self, 0)
  }

  get summary(): string {
    const share = (100 * this.busy) / (this.busy + this.#idle)
    return `busy ${ms(this.busy)} ms, ${share.toFixed(0)} % of the time`
  }

  /** The functions that took the most time themselves, without the functions that they called. */
  topFunctions(count: number): string {
    const lines = this.#functions
      .slice(0, count)
      .map(({ name, place, self }) => [name, place, ms(self), this.#percent(self)])
    return align([['function', 'where', 'self (ms)', '%'], ...lines])
  }

  /** The files, or packages, that took the most time. */
  topPlaces(count: number): string {
    const places = new Map<string, number>()
    for (const { place, self } of this.#functions) {
      const name = place.replace(/:\d+$/, '')
      places.set(name, (places.get(name) ?? 0) + self)
    }
    const sorted = [...places].toSorted(([, a], [, b]) => b - a).slice(0, count)
    return align([['where', 'self (ms)', '%'], ...sorted.map(([name, self]) => [name, ms(self), this.#percent(self)])])
  }

  #percent(self: number): string {
    return ((100 * self) / this.busy).toFixed(1)
  }
}

function addUp({ nodes, samples, timeDeltas }: ProfileFile, spent: Map<string, Spent>): void {
  const byId = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  for (const [index, id] of samples.entries()) {
    const frame = byId.get(id)
    if (frame === undefined) continue
    const { functionName, url, lineNumber } = frame
    const key = `${functionName} ${url}:${lineNumber}`
    const known = spent.get(key) ?? { name: functionName || '(anonymous)', place: placeOf(url, lineNumber), self: 0 }
    // A sample stands for the time until the next one.
    known.self += timeDeltas[index + 1] ?? 0
    spent.set(key, known)
  }
}

/** Short enough for a table: the project's files start at its root, others at their package. */
function placeOf(url: string, line: number): string {
  if (url === '') return 'native'
  const path = url.startsWith('file:') ? fileURLToPath(url) : url
  const short = path.replace(root, '').replace(/^.*node_modules\//, '')
  return `${short}:${line + 1}`
}

function ms(us: number): string {
  return (us / US_PER_MS).toFixed(0)
}
