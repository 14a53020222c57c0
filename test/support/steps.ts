import { Session } from 'node:inspector/promises'
import { setFlagsFromString } from 'node:v8'

/**
 * One session for the whole process. A new session would count only a part of the code that was compiled while no
 * session was counting.
 */
const session = new Session()

async function start(): Promise<void> {
  session.connect()
  // V8 does not count calls of optimized code.
  setFlagsFromString('--no-opt')
  setFlagsFromString('--no-maglev')
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
}

let started: Promise<void> | undefined

/**
 * How many steps a call takes within one file of `src/`: how often V8's coverage counts a call of its functions or a
 * run of their blocks. The number is the same on every machine, however busy it is. Steps inside V8's own methods, such
 * as `includes`, do not count.
 */
export async function stepsIn(file: string, call: () => unknown): Promise<number> {
  await (started ??= start())
  await session.post('Profiler.takePreciseCoverage')
  call()
  const { result } = await session.post('Profiler.takePreciseCoverage')
  const script = result.find(({ url }) => url.endsWith(`/src/${file}`))
  const ranges = script?.functions.flatMap((each) => each.ranges) ?? []
  return ranges.reduce((sum, { count }) => sum + count, 0)
}
