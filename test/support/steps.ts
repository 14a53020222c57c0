import { Session } from 'node:inspector/promises'
import { setFlagsFromString } from 'node:v8'

/** One for the process: what is compiled while none counts is not counted whole by the next. */
const session = new Session()

async function start(): Promise<void> {
  session.connect()
  // Optimized code does not count its calls.
  setFlagsFromString('--no-opt')
  setFlagsFromString('--no-maglev')
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
}

let started: Promise<void> | undefined

/**
 * How many steps a call takes within one file of `src/`: how often its functions are called and their blocks run, as V8
 * counts them for coverage. The same on every machine, however busy it is. Steps inside V8's own methods, such as
 * `includes`, are not among them.
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
