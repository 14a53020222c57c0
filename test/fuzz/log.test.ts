import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Cursors } from '../../src/drivers/cursors.ts'
import { type Keep, lastTermOf, type Log, type LogExtent, type LogPosition } from '../../src/drivers/log.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import { appendOf, groupLog, mailbox, MINUTE, rowsOf } from '../contracts/log/words.ts'
import { asUid, calm, stage } from '../contracts/stage.ts'
import { runs } from '../support/fuzz.ts'
import { SuiteRedis } from '../support/suite-redis.ts'

type Logs = Log & Cursors

const server = new SuiteRedis()

const anyNumber = fc.nat(60)
const anyKeep = fc.record({ last: fc.integer({ min: 1, max: 12 }), untilAcked: fc.boolean() })
const anyKey = fc.constantFrom(undefined, 'a', 'b', 'c')
const anyStep = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constant('append' as const), key: anyKey, keep: anyKeep, id: fc.nat(20) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('again' as const), keep: anyKeep, id: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('flood' as const), count: fc.constantFrom(20, 130), keep: anyKeep }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('erase' as const), number: anyNumber }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('eraseAll' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('ack' as const), number: anyNumber, device: fc.constantFrom('p', 'l') }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('read' as const),
      from: fc.nat(200),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('back' as const),
      before: fc.nat(200),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
)
type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never

const anySteps = fc.array(anyStep, { minLength: 10, maxLength: 80 })

for (const channel of [mailbox('u'), groupLog('g')]) {
  test(`whatever is done to the log of a ${channel.type}, Redis and memory say the same of it`, async (t) => {
    const take = async (log: Logs, step: Step, compact: boolean): Promise<unknown> => {
      const extent = (await log.extents([channel]))[0]!
      const at = (number: number): LogPosition => ({
        epoch: extent.epoch,
        term: lastTermOf(extent),
        number: extent.first + number,
      })
      const keep = (rule: Partial<Keep>): Partial<Keep> => ({ ...rule, compact })
      switch (step.type) {
        case 'append':
          return numbersOf(await log.append([appendOf(channel, `m${step.id}`, keep(step.keep), { key: step.key })]))
        case 'again':
          return numbersOf(
            await log.append([{ ...appendOf(channel, `m${step.id}`, keep(step.keep)), triedAgo: MINUTE }]),
          )
        case 'flood': {
          const texts = Array.from({ length: step.count }, (_, index) => `f${index}`)
          return numbersOf(
            await log.append(texts.map((text) => appendOf(channel, text, { ...keep(step.keep), last: 1_000 }))),
          )
        }
        case 'erase':
          return log.erase(channel, at(step.number))
        case 'eraseAll':
          return log.eraseAll(channel)
        case 'ack':
          return log.moveCursors([{ uid: asUid('u'), device: step.device, ...at(step.number) }])
        case 'read':
        case 'back': {
          const range = step.type === 'read' ? { from: step.from } : { before: step.before }
          const page = await log.readLog(channel, { ...range, count: step.count, bytes: 20 })
          return [page.from, page.to, page.first, page.top, ...rowsOf(page)]
        }
        default:
          throw step satisfies never
      }
    }
    const drivers = [redis({ url: server.url }), memory()]
    const property = fc.asyncProperty(fc.boolean(), anySteps, async (compact, steps) => {
      const logs = drivers.map((driver) => stage(t, { driver }, calm).state() as Logs)
      try {
        for (const step of steps) {
          const [theirs, ours] = [await take(logs[0]!, step, compact), await take(logs[1]!, step, compact)]
          assert.deepEqual(theirs, ours)
          assert.deepEqual(await stateOf(logs[0]!), await stateOf(logs[1]!))
        }
      } finally {
        await Promise.all((logs as unknown as { close(): Promise<void> }[]).map((log) => log.close()))
      }
    })
    const stateOf = async (log: Logs): Promise<unknown> => {
      const page = await log.readLog(channel, { from: 1, count: 1_000, bytes: 1e6 })
      const cursors = await log.cursors(asUid('u'))
      return {
        ...numbersIn(page),
        rows: rowsOf(page),
        cursors: cursors.map(({ device, number, unreadCount }) => `${device} ${number} ${unreadCount}`).toSorted(),
      }
    }
    await fc.assert(property, runs<[boolean, Step[]]>(25))
  })
}

const numbersOf = (answers: readonly { number: number }[]): number[] => answers.map(({ number }) => number)
const numbersIn = ({ first, top }: LogExtent): object => ({ first, top })
