import * as fc from 'fast-check'
import { TAKEOVER_STEPS, type TakeoverStep } from './plug.ts'

/** One event in a cluster. Its numbers choose among the candidates at that time; without candidates nothing happens. */
export type Step =
  | { readonly type: 'connect' | 'disconnect'; readonly user: number; readonly host: number }
  /** The user moves while `count` pushes are on their way. */
  | { readonly type: 'move'; readonly user: number; readonly host: number; readonly count: number }
  | {
      readonly type: 'push'
      readonly user: number
      readonly host: number
      readonly count: number
      readonly waits: boolean
    }
  | { readonly type: 'pushGroup'; readonly group: number; readonly host: number; readonly waits: boolean }
  | { readonly type: 'pushAll'; readonly host: number; readonly waits: boolean }
  | { readonly type: 'join' | 'leave'; readonly user: number; readonly group: number; readonly host: number }
  | { readonly type: 'startHost' }
  /** Pushes made meanwhile wait in the inbox of the node, and its users connect to others. */
  | { readonly type: 'pause'; readonly host: number; readonly count: number }
  | { readonly type: 'resume' | 'kill' | 'stop'; readonly host: number }
  | { readonly type: 'halt'; readonly host: number; readonly step: TakeoverStep; readonly ms: number }
  /** From now on the node reads `ms` late, so that more happens while a push is on its way. */
  | { readonly type: 'lag'; readonly host: number; readonly ms: number }
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'loseStore' }

const number = fc.nat({ max: 20 })
const waits = fc.boolean()
const count = fc.integer({ min: 1, max: 5 })
const one = <const Type extends string>(type: Type): fc.Arbitrary<Type> => fc.constant(type)

const calm = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: one('connect'), user: number, host: number }) },
  { weight: 3, arbitrary: fc.record({ type: one('move'), user: number, host: number, count: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ type: one('disconnect'), user: number, host: number }) },
  { weight: 6, arbitrary: fc.record({ type: one('push'), user: number, host: number, count, waits }) },
  { weight: 3, arbitrary: fc.record({ type: one('pushGroup'), group: number, host: number, waits }) },
  { weight: 1, arbitrary: fc.record({ type: one('pushAll'), host: number, waits }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom('join', 'leave'), user: number, group: number, host: number }),
  },
  { weight: 1, arbitrary: fc.record({ type: one('startHost') }) },
)

const trouble = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: one('pause'), host: number, count }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('resume', 'stop'), host: number }) },
  { weight: 3, arbitrary: fc.record({ type: one('kill'), host: number }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: one('halt'),
      host: number,
      step: fc.constantFrom(...TAKEOVER_STEPS),
      ms: fc.integer({ min: 20, max: 800 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: one('wait'), ms: fc.integer({ min: 1, max: 600 }) }) },
)

const lag = fc.record({ type: one('lag'), host: number, ms: fc.integer({ min: 0, max: 60 }) })

const anyCalm: fc.Arbitrary<Step> = fc.oneof({ weight: 9, arbitrary: calm }, { weight: 2, arbitrary: lag })
const anyTrouble: fc.Arbitrary<Step> = trouble
const anyLoss: fc.Arbitrary<Step> = fc.record({ type: one('loseStore') })

/** @param canBeLost whether the store may come back empty */
export function anySteps(canBeLost: boolean): fc.Arbitrary<Step[]> {
  const step = fc.oneof(
    { weight: 12, arbitrary: anyCalm },
    { weight: 7, arbitrary: anyTrouble },
    { weight: canBeLost ? 1 : 0, arbitrary: anyLoss },
  )
  return fc.array(step, { maxLength: 25, size: 'max' })
}
