import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isFlotillaError } from '../../src/errors.ts'
import { ClientAddress } from '../../src/sockets/client-address.ts'
import { runs } from '../support/fuzz.ts'

const anyAddress = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4().map((address) => `::ffff:${address}`),
  fc.constantFrom('10.1.2.3', '10.0.0.1', 'fd00::1', '::1', 'fe80::1%eth0', '::', '0.0.0.0'),
)
const anyHop = fc.oneof(
  anyAddress,
  fc.string(),
  fc.constantFrom('', ' ', 'unknown', '10.0.0.1:80', '[::1]:80', '"10.0.0.1"'),
)
const anyHeader = fc.option(
  fc.array(anyHop, { maxLength: 6 }).map((hops) => hops.join(', ')),
  { nil: undefined },
)
const TRUSTED = ['10.0.0.0/8', 'fd00::/8', '::1']

test('only what trusted proxies saw is believed, whatever stands in X-Forwarded-For', () => {
  const property = fc.property(anyAddress, anyHeader, fc.boolean(), (peer, header, trusts) => {
    const address = new ClientAddress(trusts ? TRUSTED : []).of(requestOf(peer, header))
    const isBelieved = trusts && isTrusted(undressed(peer))
    if (!isBelieved) return assert.equal(address, undressed(peer))
    const hops = (header ?? '').split(',').map((hop) => undressed(hop.trim()))
    // The last that is not trusted, if it is an address at all; everything to the left of it anyone could have written.
    const last = hops.findLast((hop) => !isTrusted(hop))
    const hasAllTrusted = last === undefined
    assert.equal(address, hasAllTrusted || isIP(last) === 0 ? undressed(peer) : last)
  })
  fc.assert(property, runs(3_000))
})

test('what is no address or range is refused; what is, trusts no more than it says', () => {
  const anyRange = fc.oneof(
    fc.anything(),
    fc.string(),
    fc
      .tuple(
        anyAddress,
        fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('', ' 8', '0x8', '8/8', '1e1', '-0')),
      )
      .map((parts) => parts.join('/')),
  )
  const property = fc.property(anyRange, fc.ipV4(), (range, stranger) => {
    let trusting: ClientAddress
    try {
      trusting = new ClientAddress([range as string])
    } catch (error) {
      assert.ok(isFlotillaError(error) && error.code === 'FLT_BAD_OPTION', String((error as Error).stack))
      return
    }
    assert.match(String(range), /^[\d.]+(\/\d+)?$|^[\da-fA-F:.]+(\/\d+)?$/)
    const seen = trusting.of(requestOf(stranger, '1.2.3.4'))
    assert.ok(seen === stranger || covers(String(range), stranger))
  })
  fc.assert(property, runs(3_000))
})

test('a range without its bits, which would be everyone, is refused, and so is every other way to write a number', () => {
  for (const range of ['10.0.0.0/', '10.0.0.0/0x8', '10.0.0.0/1e1', '10.0.0.0/ 8', '10.0.0.0/8/8', '10.0.0.0/33']) {
    assert.throws(() => new ClientAddress([range]), { code: 'FLT_BAD_OPTION', message: /trustProxy: '10/ })
  }
})

function requestOf(remoteAddress: string, header: string | undefined): IncomingMessage {
  return { socket: { remoteAddress }, headers: { 'x-forwarded-for': header } } as unknown as IncomingMessage
}

function undressed(address: string): string {
  return /^::ffff:[\d.]+$/.test(address) ? address.slice('::ffff:'.length) : address
}

function isTrusted(address: string): boolean {
  return TRUSTED.some((range) => covers(range, address))
}

function covers(range: string, address: string): boolean {
  const [base = '', bits] = range.split('/')
  if (isIP(address) === 0 || address.includes('%')) return false
  const list = new BlockList()
  const family = isIP(base) === 4 ? 'ipv4' : 'ipv6'
  if (bits === undefined) list.addAddress(base, family)
  else list.addSubnet(base, Number(bits), family)
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
}
