import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as fc from 'fast-check'
import { readApiDocs, withTables } from '../../scripts/api-docs.ts'
import { parseExcept, parsePushId, parsePushKey, parseTarget } from '../../src/envelope/target.ts'
import { isFlotillaError, JsonSource, parsePushBody } from '../../src/index.ts'
import { parseHold } from '../../src/push/holder.ts'
import { apiDocument } from '../../src/standalone/http/api-document.ts'
import { runs } from '../support/fuzz.ts'
import { API_KEY, caller, errorOf, SECRET } from './api-call.ts'
import { startFlotilla } from './flotilla.ts'

const document = JSON.parse(JSON.stringify(apiDocument())) as ReturnType<typeof apiDocument>

test('GET /api/openapi.json describes the API to whoever has the key', async (t) => {
  const flags = ['--port=0', '--log-level=silent']
  const { url } = await startFlotilla(t, [...flags, `--token-secret=${SECRET}`, `--api-key=${API_KEY}`])
  const { status, body } = await caller(url)('GET', '/api/openapi.json')
  assert.equal(status, 200)
  assert.deepEqual(body, document)
  const answer = await caller(url)('GET', '/api/openapi.json', undefined, { Authorization: '' })
  assert.deepEqual([answer.status, errorOf(answer).code], [401, 'FLT_UNAUTHORIZED'])
  const dev = await startFlotilla(t, [...flags, '--dev'])
  assert.equal((await fetch(`${dev.url}/api/openapi.json`)).status, 200)
})

test('the description passes a linter of OpenAPI', async () => {
  const config = await createConfig({ extends: ['recommended'] })
  const problems = await lintFromString({ source: JSON.stringify(document), config })
  assert.deepEqual(
    problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer]),
    [],
  )
})

test('the tables of docs/http-api.md are those of the description', () => {
  const docs = readApiDocs()
  assert.equal(docs, withTables(docs), 'run npm run docs')
})

test('the description of a push allows exactly the bodies that the server takes', () => {
  const ajv = new Ajv2020({ strict: false })
  ajv.addSchema(document, 'api')
  const isDescribed = ajv.getSchema('api#/components/schemas/Push')!
  const anyName = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('a', 'é', 'x'.repeat(255)) },
    fc.constantFrom('', 'x'.repeat(256), 7, null),
  )
  const anyNames = fc.oneof({ weight: 3, arbitrary: anyName }, fc.array(anyName, { maxLength: 3 }), fc.constant({}))
  const anyExcept = fc.oneof(
    { weight: 3, arbitrary: fc.record({ uid: anyNames, connection: anyNames }, { requiredKeys: [] }) },
    fc.constantFrom(null, [], 'a', { group: 'a' }),
  )
  const anyBody = fc.record(
    {
      uid: anyNames,
      group: anyNames,
      connection: anyNames,
      all: fc.constantFrom(true, true, false, null),
      message: fc.oneof(fc.constant('x'), fc.jsonValue({ maxDepth: 1 })),
      binary: fc.oneof(
        fc.base64String({ maxLength: 8 }),
        fc.constantFrom('', 'AA', 'AAA=', 'A===', 'AA==\n', 'A-_=', 1, null),
      ),
      except: anyExcept,
      id: anyName,
      key: anyName,
      hold: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(1, 60_000) }, fc.constantFrom(0, 60_001, 1.5, '1', null)),
      colour: fc.constant('red'),
    },
    { requiredKeys: [] },
  )
  // Most bodies of many random fields are wrong in some way, so half of them have one target and one message.
  const anyLikely = fc
    .tuple(anyBody, fc.constantFrom('uid', 'group', 'connection', 'all'), fc.constantFrom('message', 'binary'))
    .map(([body, target, content]) => {
      const {
        uid = 'a',
        group = 'a',
        connection = 'a',
        all = true,
        message = 1,
        binary = '',
        hold,
        colour: _,
        ...rest
      } = body
      const given: Record<string, unknown> = { uid, group, connection, all, message, binary }
      return { ...rest, [target]: given[target], [content]: given[content], ...(target === 'uid' && hold && { hold }) }
    })
  let takenCount = 0
  const property = fc.property(fc.oneof(anyBody, anyLikely, fc.jsonValue()), (body) => {
    const isTaken = takes(body)
    if (isTaken) takenCount++
    assert.equal(isDescribed(body), isTaken, JSON.stringify(isDescribed.errors))
  })
  fc.assert(property, runs(3_000))
  assert.ok(takenCount > 100, String(takenCount))
})

/** What the server checks of a push before it looks anybody up. */
function takes(body: unknown): boolean {
  try {
    const { target, options } = parsePushBody(JsonSource.parse(JSON.stringify(body)))
    const parsed = parseTarget(target)
    parseExcept(options.except)
    if (options.id !== undefined) parsePushId(options.id)
    if (options.key !== undefined) parsePushKey(options.key)
    if (options.hold !== undefined) parseHold(options.hold, parsed)
    return true
  } catch (error) {
    if (isFlotillaError(error)) return false
    throw error
  }
}
