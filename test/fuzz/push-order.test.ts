import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Receipt, Target } from '../../src/api.ts'
import type { Reservation } from '../../src/drivers/push-ids.ts'
import type { Located } from '../../src/drivers/routes.ts'
import type { PushEnvelope } from '../../src/envelope/envelope.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { FlotillaError } from '../../src/errors.ts'
import { type Meddler, namesIn, outcomeOf, type PushStage, startPusher } from '../push/stage.ts'
import { runs } from '../support/fuzz.ts'

const TARGETS: readonly Target[] = [
  { uid: 'u0' },
  { uid: 'u1' },
  { uid: 'u12' },
  { uid: 'u012' },
  { uid: 'nobody' },
  { uid: ['u0', 'u1'] },
  { uid: ['u1', 'u12', 'nobody'] },
  { uid: ['u2', 'u012'] },
  { group: 'g' },
  { group: ['g', 'empty'] },
  { all: true },
]

/** The store's answer to a reservation. `again`: an earlier attempt was stored for one of the nodes. */
type ReservationFate = 'fresh' | 'again' | 'done' | 'pending' | 'conflict' | 'away'
/**
 * The outcome of any other call. `lost`: the call had its effect, but its reply is lost. `unsure`: the answer is one
 * that the pusher must not rely on.
 */
type Fate = 'answered' | 'away' | 'lost' | 'refused' | 'closed' | 'unsure'

const anyStep = fc.record({
  target: fc.constantFrom(...TARGETS),
  /** The answer to the reservation of the push's id. A push without an id has none. */
  reservation: fc.option(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant<ReservationFate>('fresh') },
      { weight: 3, arbitrary: fc.constantFrom<ReservationFate>('again', 'done', 'pending', 'conflict', 'away') },
    ),
    { nil: undefined },
  ),
  /** Turns of the event loop before the next push. */
  gap: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(12)),
})
const anyFate = fc.oneof(
  { weight: 20, arbitrary: fc.constant<Fate>('answered') },
  { weight: 3, arbitrary: fc.constantFrom<Fate>('away', 'lost', 'refused', 'closed') },
)
const anyRun = fc.record({
  steps: fc.array(anyStep, { minLength: 2, maxLength: 30 }),
  isDirect: fc.boolean(),
  delays: fc.array(fc.oneof(fc.nat(3), fc.nat(20)), { minLength: 1, maxLength: 40 }),
  fates: fc.array(anyFate, { minLength: 1, maxLength: 40 }),
  /** The indices of lookups that the pusher must not rely on. It has to wait and ask again. */
  unsure: fc.array(fc.nat(8), { maxLength: 2 }),
})
type Run = typeof anyRun extends fc.Arbitrary<infer T> ? T : never

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => void setImmediate(resolve))
}
const away = (): FlotillaError => new FlotillaError('FLT_STORE_AWAY', 'the store does not answer')

/** A store that takes its time with each call, and does with it what the run says. */
function meddlerOf({ steps, delays, fates, unsure }: Run, stage: () => PushStage): Meddler {
  const reservations = steps.flatMap(({ reservation }) => reservation ?? [])
  let [callCount, reservationCount, lookupCount] = [0, 0, 0]
  // An inbox that was closed is never opened again.
  const closed = new Set<NodeId>()
  return async (name, call, node) => {
    const n = callCount++
    // Ids are reserved in the order in which they are given.
    const reservation = name === 'reserve' ? reservations[reservationCount++]! : 'fresh'
    const isUnsure = name === 'locate' && unsure.includes(lookupCount++)
    await turns(delays[n % delays.length]!)
    if (name === 'reserve') return (await reserved(reservation, call as () => Promise<Reservation>, stage())) as never
    if (name === 'settle' || name === 'release') return call()
    if (isUnsure) return unsettled((await call()) as Located) as never
    const fate = fates[n % fates.length]!
    if (node !== undefined && closed.has(node)) return 'closed' as never
    if (fate === 'away') throw away()
    if (fate === 'lost' && name !== 'appendWhereFound') {
      await call()
      throw away()
    }
    if (fate === 'refused' && name === 'publish') return 'full' as never
    if (fate === 'refused' && name === 'publishAll') return { type: 'full' } as never
    if (fate === 'refused' && name === 'appendWhereFound') return undefined as never
    if (fate === 'closed' && node !== undefined) {
      closed.add(node)
      return 'closed' as never
    }
    return call()
  }
}

async function reserved(
  fate: ReservationFate,
  reservation: () => Promise<Reservation>,
  stage: PushStage,
): Promise<Reservation> {
  switch (fate) {
    case 'fresh':
      return reservation()
    case 'again':
      await reservation()
      return { type: 'fresh', stored: [stage.nodes[1]] }
    case 'done':
      return { type: 'done', receipt: { id: 'x', nodeCount: 7, offline: [] } }
    case 'away':
      throw away()
    case 'pending':
    case 'conflict':
      return { type: fate }
    default:
      throw fate satisfies never
  }
}

function unsettled(located: Located): Located {
  const all = [located.uids, located.groups, located.connections]
  const [uids, groups, connections] = all.map((routes) => routes.map((route) => ({ ...route, settled: false })))
  return { uids: uids!, groups: groups!, connections: connections! }
}

/** Makes all pushes, without waiting for the receipts of earlier ones. */
async function pushAll({ steps }: Run, { pusher }: PushStage): Promise<(Receipt | string)[]> {
  const outcomes: Promise<Receipt | string>[] = []
  for (const [n, { target, reservation, gap }] of steps.entries()) {
    outcomes.push(outcomeOf(pusher.push(target, n, reservation === undefined ? {} : { id: `id-${n}` })))
    await turns(gap)
  }
  return Promise.all(outcomes)
}

const numberOf = ({ payload }: PushEnvelope): number => Number(Buffer.from(payload.data).toString())

/** The numbers of the first copies, by inbox and by name. */
function firstCopies({ log }: PushStage): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const { inbox, envelope } of log) {
    if (envelope.type !== 'push' || envelope.resent) continue
    for (const name of namesIn(envelope.to)) {
      const key = `${name} in ${inbox}`
      found.set(key, [...(found.get(key) ?? []), numberOf(envelope)])
    }
  }
  return found
}

const CODES: Partial<Record<ReservationFate, string>> = {
  pending: 'FLT_PUSH_PENDING',
  conflict: 'FLT_ID_REUSED',
  away: 'FLT_STORE_AWAY',
}

/** Checks the pushes whose id was not reserved: each has the right outcome, and none was sent. */
function assertUnreserved({ steps }: Run, { log }: PushStage, outcomes: readonly (Receipt | string)[]): void {
  const sent = new Set(log.map(({ envelope }) => numberOf(envelope as PushEnvelope)))
  for (const [n, { reservation }] of steps.entries()) {
    if (reservation === undefined || reservation === 'fresh' || reservation === 'again') continue
    assert.ok(!sent.has(n), `${n} was sent`)
    const outcome = outcomes[n]!
    if (reservation === 'done') assert.deepEqual(outcome, { id: 'x', nodeCount: 7, offline: [] })
    else assert.equal(outcome, CODES[reservation])
  }
}

test('whatever the store does, first copies to one target come in the order of their pushes, with an id or without', async () => {
  const property = fc.asyncProperty(anyRun, async (run) => {
    let stage!: PushStage
    stage = await startPusher(
      meddlerOf(run, () => stage),
      run.isDirect,
    )
    const outcomes = await pushAll(run, stage)
    await stage.close()
    for (const [key, numbers] of firstCopies(stage)) {
      const sorted = [...new Set(numbers)].toSorted((a, b) => a - b)
      assert.deepEqual(numbers, sorted, key)
    }
    assertUnreserved(run, stage, outcomes)
    assert.equal(stage.pusher.backpressure.bytes, 0)
  })
  await fc.assert(property, runs(300))
})
