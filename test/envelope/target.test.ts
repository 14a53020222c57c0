import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  parseExcept,
  parseGroup,
  parseGroups,
  parsePushId,
  parsePushKey,
  parseTarget,
  parseUid,
} from '../../src/envelope/target.ts'
import { anyId, hostileIds } from '../support/arbitraries.ts'

const badTarget = { name: 'FlotillaError', code: 'FLT_BAD_TARGET' }
const kinds = [
  ['uid', 'users', 'uids'],
  ['group', 'groups', 'groups'],
  ['connection', 'connections', 'connections'],
] as const
const anyJunk = fc.anything().filter((value) => !Array.isArray(value) && (typeof value !== 'string' || value === ''))

describe('parseTarget', () => {
  for (const [field, type, list] of kinds) {
    it(`takes one ${field} or a list, and keeps each once, in order`, () => {
      fc.assert(
        fc.property(anyId, fc.array(anyId), (id, ids) => {
          assert.deepEqual(parseTarget({ [field]: id }), { type, [list]: [id] })
          assert.deepEqual(parseTarget({ [field]: ids }), { type, [list]: [...new Set(ids)] })
        }),
      )
    })

    it(`reaches nobody if the list of ${field}s is empty`, () => {
      assert.deepEqual(parseTarget({ [field]: [] }), { type, [list]: [] })
    })

    it(`refuses anything else as ${field}, and names its place in the list`, () => {
      fc.assert(
        fc.property(anyJunk, (junk) => {
          assert.throws(() => parseTarget({ [field]: junk }), badTarget)
          assert.throws(() => parseTarget({ [field]: ['fine', junk] }), { ...badTarget, message: /\[1\]/ })
        }),
      )
    })

    it(`takes a ${field} of 255 bytes of UTF-8 and refuses 256`, () => {
      for (const long of ['x'.repeat(255), '字'.repeat(85), `${'👩'.repeat(63)}xyz`]) {
        assert.equal(Buffer.byteLength(long), 255)
        assert.deepEqual(parseTarget({ [field]: long }), { type, [list]: [long] })
        assert.throws(() => parseTarget({ [field]: `${long}x` }), badTarget)
      }
    })
  }

  it('takes ids that stores might stumble over', () => {
    for (const id of hostileIds) assert.equal(parseUid(id), id)
  })

  it('reaches everyone only by `all: true`', () => {
    assert.deepEqual(parseTarget({ all: true }), { type: 'all' })
    for (const all of [false, undefined, null, 'true', 1, []]) assert.throws(() => parseTarget({ all }), badTarget)
  })

  it('refuses a target with no field or with several, even if one of them is undefined', () => {
    assert.throws(() => parseTarget({}), badTarget)
    assert.throws(() => parseTarget({ uid: 'u1', group: 'g1' }), badTarget)
    assert.throws(() => parseTarget({ uid: 'u1', all: true }), badTarget)
    assert.throws(() => parseTarget({ uid: 'u1', group: undefined }), badTarget)
  })

  it('refuses a target that is not an object, or that only inherits its field', () => {
    for (const target of [null, undefined, 'u1', 1, true, () => {}, []]) {
      assert.throws(() => parseTarget(target), badTarget)
    }
    assert.throws(() => parseTarget(Object.create({ uid: 'u1' })), badTarget)
  })

  it('never throws anything but FLT_BAD_TARGET', () => {
    fc.assert(
      fc.property(fc.anything(), (target) => {
        try {
          parseTarget(target)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'FLT_BAD_TARGET')
        }
      }),
    )
  })
})

describe('parseExcept', () => {
  it('excepts nobody if nothing is given', () => {
    assert.equal(parseExcept(undefined), undefined)
    assert.deepEqual(parseExcept({}), { uids: [], connections: [] })
  })

  it('takes uids, connections or both', () => {
    assert.deepEqual(parseExcept({ uid: 'u1' }), { uids: ['u1'], connections: [] })
    assert.deepEqual(parseExcept({ uid: ['u1', 'u1'], connection: 'c1' }), { uids: ['u1'], connections: ['c1'] })
  })

  it('refuses anything else', () => {
    for (const except of [null, 'u1', 1, { uid: null }, { uid: [''] }, { connection: [undefined] }]) {
      assert.throws(() => parseExcept(except), badTarget)
    }
  })
})

describe('parseGroup and parseGroups', () => {
  it('refuse names that no group may have', () => {
    for (const group of ['', 'x'.repeat(256), null, undefined, 1]) {
      assert.throws(() => parseGroup(group), badTarget)
      assert.throws(() => parseGroups([group]), badTarget)
    }
  })

  it('return each group once', () => {
    assert.deepEqual(parseGroups(['a', 'b', 'a']), ['a', 'b'])
  })
})

describe('parsePushId and parsePushKey', () => {
  it('take 1 to 255 bytes of UTF-8 and refuse the rest with FLT_BAD_ID', () => {
    fc.assert(fc.property(anyId, (id) => assert.equal(parsePushId(id), id)))
    fc.assert(fc.property(anyId, (key) => assert.equal(parsePushKey(key), key)))
    for (const id of ['', 'x'.repeat(256), `${'字'.repeat(85)}x`, null, undefined, 7, {}, []]) {
      assert.throws(() => parsePushId(id), { name: 'FlotillaError', code: 'FLT_BAD_ID' })
      assert.throws(() => parsePushKey(id), { name: 'FlotillaError', code: 'FLT_BAD_ID', message: /^key / })
    }
  })
})
