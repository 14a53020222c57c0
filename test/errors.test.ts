import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { errorCodes, FlotillaError, tellable } from '../src/errors.ts'

const docs = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')
const rows = [...docs.matchAll(/^\| `(FLT_\w+)` +\| (\d+) +\| *(yes)? *\|/gm)]

test('docs/errors.md lists every code with its status and its retry flag, and no other code', () => {
  const documented = rows.map(([, code, status, retry]) => ({ code, status: Number(status), retry: retry === 'yes' }))
  const actual = errorCodes.map((code) => {
    const { status, retry } = new FlotillaError(code, '')
    return { code, status, retry }
  })
  const byCode = (a: { code: string | undefined }, b: { code: string | undefined }): number =>
    String(a.code).localeCompare(String(b.code))
  assert.deepEqual(documented.sort(byCode), actual.sort(byCode))
})

test('a client is told what it did wrong, but no internal details', () => {
  const otherwise = new FlotillaError('FLT_INTERNAL', 'something failed')
  const theirs = new FlotillaError('FLT_BAD_TARGET', 'uid is empty')
  const inside = new FlotillaError('FLT_STORE_AWAY', 'redis://secret@host does not answer')
  assert.equal(tellable(theirs, otherwise), theirs)
  assert.equal(tellable(new Error('at /srv/app.ts:3'), otherwise), otherwise)
  assert.equal(tellable(inside, otherwise).code, 'FLT_STORE_AWAY')
  assert.doesNotMatch(JSON.stringify(tellable(inside, otherwise)), /secret/)
})
