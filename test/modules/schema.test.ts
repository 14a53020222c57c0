import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type Schema, validate } from '../../src/modules/schema.ts'

const Say = z.object({ text: z.string().trim(), tags: z.array(z.string()).default([]) })

function failing(...issues: { message: string; path?: (PropertyKey | { key: PropertyKey })[] }[]): Schema<unknown> {
  return { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues }) } }
}

test('returns the value that the schema returned', async () => {
  assert.deepEqual(await validate(Say, { text: ' hi ' }), { text: 'hi', tags: [] })
})

test('waits for a schema that is asynchronous', async () => {
  const Free = z.string().refine(async (name) => name !== 'taken', 'is taken')
  assert.equal(await validate(Free, 'free'), 'free')
  await assert.rejects(validate(Free, 'taken'), { code: 'FLT_INVALID_DATA', message: 'data: is taken' })
})

test('names the path of each issue', async () => {
  await assert.rejects(validate(Say, { text: 1, tags: ['a', 2] }), (error: Error & { code: string }) => {
    assert.equal(error.code, 'FLT_INVALID_DATA')
    assert.match(error.message, /data\.text: .+; data\.tags\[1\]: /)
    return true
  })
})

test('understands paths made of keys, and paths made of objects with a key', async () => {
  const schema = failing({ message: 'no', path: ['a', { key: 'b' }, { key: 3 }] }, { message: 'never' })
  await assert.rejects(validate(schema, 1), { message: 'data.a.b[3]: no; data: never' })
})

test('names ten issues at most', async () => {
  const schema = failing(...Array.from({ length: 1000 }, () => ({ message: 'no' })))
  await assert.rejects(validate(schema, 1), (error: Error) => error.message.split(';').length === 10)
})
