import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { AddressRanges, withoutBrackets } from '../../src/lib/addresses.ts'
import { isLoopback } from '../../src/standalone/common/loopback.ts'
import { runs } from '../support/fuzz.ts'

const near = fc.constantFrom(
  '10.0.0.1',
  '10.0.0.2',
  '10.128.0.0',
  '::ffff:10.0.0.1',
  '::',
  '::1',
  'fd00::1',
  '::a00:1',
  '::10.0.0.1',
)
const anyAddress = fc.oneof(
  near,
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4().map((ip) => `::ffff:${ip}`),
)
const anyRange = fc
  .tuple(anyAddress, fc.option(fc.nat({ max: 128 }), { nil: undefined }))
  .map(([base, bits]) => ({ base, bits: isIP(base) === 4 && bits !== undefined ? bits % 33 : bits }))

test('a range holds the addresses that the BlockList of Node would hold', () => {
  const property = fc.property(fc.array(anyRange, { maxLength: 3 }), anyAddress, (list, address) => {
    const [ranges, expected] = [new AddressRanges(), new BlockList()]
    for (const { base, bits } of list) {
      assert.ok(ranges.add(bits === undefined ? base : `${base}/${bits}`))
      if (bits === undefined) expected.addAddress(base, familyOf(base))
      else expected.addSubnet(base, bits, familyOf(base))
    }
    assert.equal(ranges.has(address), expected.check(address, familyOf(address)))
  })
  fc.assert(property, runs(3_000))
})

test('an address that only some programs can read is not one', () => {
  const ranges = new AddressRanges()
  for (const text of [
    '010.0.0.1',
    '10.1',
    '0x0a.0.0.1',
    '167772161',
    '::ffff:010.0.0.1',
    'fe80::1%eth0',
    '[::1]',
    '',
    '/8',
  ])
    assert.deepEqual([ranges.add(text), ranges.add(`${text}/8`)], [false, false], text)
  assert.ok(ranges.add('0.0.0.0/0'))
  for (const text of ['010.0.0.1', '10.1', '0x0a.0.0.1', 'unknown', '']) assert.equal(ranges.has(text), false, text)
})

test('this machine is 127.0.0.0/8 and ::1, in any spelling, with a zone or brackets', () => {
  for (const host of [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '0:0::1',
    '[::1]',
    '::1%lo',
    '::1%br-lan',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
  ])
    assert.ok(isLoopback(host), host)
  for (const host of [
    '128.0.0.1',
    '0.0.0.0',
    '::',
    '::2',
    '::ffff:10.0.0.1',
    '::127.0.0.1',
    '[127.0.0.1]',
    '127.1',
    '0x7f.0.0.1',
  ])
    assert.ok(!isLoopback(host), host)
})

test('brackets come off an IPv6 address and nothing else', () => {
  const hosts = {
    '[::1]': '::1',
    '[fe80::1%eth0]': 'fe80::1%eth0',
    '::1': '::1',
    '[x]': '[x]',
    '[127.0.0.1]': '[127.0.0.1]',
  }
  for (const [host, bare] of Object.entries(hosts)) assert.equal(withoutBrackets(host), bare)
})

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}
