import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { compose, type Middleware } from '../../src/modules/compose.ts'

type Trace = string[]

function layer(name: string): Middleware<Trace> {
  return async (trace, next) => {
    trace.push(`${name} in`)
    await next()
    trace.push(`${name} out`)
  }
}

const handler = (trace: Trace): string => {
  trace.push('handler')
  return 'reply'
}

const forget: Middleware<Trace> = (_, next) => void next()

test('runs the layers in order on the way in and in reverse on the way out', async () => {
  const trace: Trace = []
  await compose([layer('a'), layer('b')], handler)(trace)
  assert.deepEqual(trace, ['a in', 'b in', 'handler', 'b out', 'a out'])
})

test('is the handler itself if there is no middleware', () => {
  assert.equal(compose([], handler), handler)
})

test("keeps the handler's result if the layers return nothing", async () => {
  assert.equal(await compose([layer('a'), layer('b')], handler)([]), 'reply')
})

test("a layer's return value replaces the handler's result, even if it is null", async () => {
  const replaced = compose<Trace>([layer('a'), (_, next) => next().then(() => null)], handler)
  assert.equal(await replaced([]), null)
})

test('gives a layer the result of the layers inside it', async () => {
  const seen: unknown[] = []
  const look: Middleware<Trace> = async (_, next) => void seen.push(await next())
  await compose([look, () => 'inner'], handler)([])
  assert.deepEqual(seen, ['inner'])
})

test('if a layer does not call next, nothing inside it runs', async () => {
  const trace: Trace = []
  assert.equal(await compose([() => 'stop', layer('b')], handler)(trace), 'stop')
  assert.deepEqual(trace, [])
})

test('fails if a layer calls next twice, even if it awaits neither call', async () => {
  const calls: Trace = []
  const twice = compose<Trace>([(_, next) => void [next(), next()]], handler)
  await assert.rejects(async () => twice(calls), { code: 'FLT_BAD_MODULE', message: /next\(\) twice/ })
  assert.deepEqual(calls, ['handler'])
})

test('a layer may catch an error from inside it', async () => {
  const rescued = compose<Trace>([(_, next) => next().catch(() => 'rescued'), layer('b')], async () => {
    throw new Error('inside')
  })
  assert.equal(await rescued([]), 'rescued')
})

test('a layer that does not await next still ends after everything inside it, and fails if that fails', async () => {
  const slow = compose([forget], async (trace: Trace) => {
    await turn()
    return handler(trace)
  })
  assert.equal(await slow([]), 'reply')
  const failing = compose([forget], async () => {
    await turn()
    throw new Error('late')
  })
  await assert.rejects(async () => failing([]), /late/)
})

test('keeps concurrent calls apart', async () => {
  const echo = compose<{ id: number }>([async (_, next) => next()], async ({ id }) => {
    await turn()
    return id
  })
  assert.deepEqual(await Promise.all([1, 2, 3].map((id) => echo({ id }))), [1, 2, 3])
})
