import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, SocketAddress } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ClientAddress } from '../../src/admission/client-address.ts'
import { isFlotillaError } from '../../src/errors.ts'
import { networkOf } from '../../src/lib/addresses.ts'
import { runs } from '../support/fuzz.ts'

const anyIp = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom('10.1.2.3', '10.0.0.1', 'fd00::1', '::1', 'fe80::1', '::', '0.0.0.0'),
)
const anyAddress = fc.oneof(
  anyIp,
  fc.ipV4().map((address) => `::ffff:${address}`),
  fc.constant('fe80::1%eth0'),
)

/** An address, and one of the ways in which a proxy may write it. */
interface Hop {
  readonly text: string
  readonly address: string | undefined
}

const anySpelling = fc.constantFrom<((ip: string) => string)[]>(
  (ip) => ip,
  (ip) => ip.toUpperCase(),
  (ip) => (isIP(ip) === 4 ? `::ffff:${ip}` : ip),
  (ip) => (isIP(ip) === 4 ? `0:0:0:0:0:FFFF:${hexOf(ip)}` : groupsOf(ip).join(':')),
  (ip) =>
    isIP(ip) === 4
      ? ip
      : groupsOf(ip)
          .map((group) => group.padStart(4, '0'))
          .join(':'),
)
const anyDress = fc.constantFrom<((ip: string) => string)[]>(
  (ip) => ip,
  (ip) => (isIP(ip) === 4 ? `${ip}:5678` : `[${ip}]:443`),
  (ip) => (isIP(ip) === 4 ? ip : `[${ip}]`),
  (ip) => `"${ip}"`,
  (ip) => (isIP(ip) === 4 ? `"${ip}:80"` : `"[${ip}]:443"`),
  (ip) => `  ${ip}\t`,
)
const anyReadable: fc.Arbitrary<Hop> = fc
  .tuple(anyIp, anySpelling, anyDress)
  .map(([ip, spell, dress]) => ({ text: dress(spell(ip)), address: canonical(ip) }))
const anyUnreadable: fc.Arbitrary<Hop> = fc
  .oneof(
    fc.string(),
    fc.constantFrom(
      'unknown',
      '_hidden',
      '[::1',
      '10.0.0.1:',
      '1.2.3',
      '01.2.3.4',
      '::1:',
      '"',
      '[]:80',
      'for=1.2.3.4',
    ),
  )
  .map((text) => text.replaceAll(',', ''))
  .filter(
    (text) => text.trim() !== '' && !/^"?\[?[\da-fA-F.:]+\]?(:\d+)?"?$/.test(text.trim().replace('01.2.3.4', 'x')),
  )
  .map((text) => ({ text, address: undefined }))
const nothing = fc.constantFrom<Hop[]>({ text: '', address: undefined }, { text: ' ', address: undefined })
const anyHops = fc.array(
  fc.oneof({ weight: 4, arbitrary: anyReadable }, anyUnreadable, { weight: 2, arbitrary: nothing }),
  { maxLength: 6 },
)
const TRUSTED = ['10.0.0.0/8', 'fd00::/8', '::1']

test('only addresses that trusted proxies saw are believed, however they write them in X-Forwarded-For', () => {
  const property = fc.property(anyAddress, anyHops, fc.boolean(), (peer, hops, trusts) => {
    const header = hops.map(({ text }) => text).join(',')
    const address = new ClientAddress(trusts ? TRUSTED : []).of(requestOf(peer, header))
    let expected = undressed(peer)
    if (trusts && isTrusted(expected)) {
      // Hops count from the right, as long as each is trusted. Anyone could have written the hops to the left of those.
      for (const hop of hops.toReversed()) {
        if (hop.text.trim() === '') continue
        if (hop.address === undefined) break
        expected = hop.address
        if (!isTrusted(expected)) break
      }
    }
    assert.equal(address, expected)
  })
  fc.assert(property, runs(5_000))
})

test('every spelling of an address is the same address, and so counts as the same network', () => {
  const property = fc.property(anyIp, anySpelling, anyDress, anySpelling, anyDress, (ip, ...ways) => {
    const [one, oneDress, other, otherDress] = ways
    const address = new ClientAddress(['10.0.0.1'])
    const first = address.of(requestOf('10.0.0.1', oneDress(one(ip))))
    const second = address.of(requestOf('10.0.0.1', otherDress(other(ip))))
    assert.equal(first, second)
    assert.equal(networkOf(first), networkOf(second))
  })
  fc.assert(property, runs(3_000))
})

test('a zone has a meaning on one machine only, so it is left out, and an address with a zone is never trusted', () => {
  const address = new ClientAddress(['10.0.0.1', 'fe80::/10'])
  for (const hop of ['fe80::1%eth0', '[FE80::1%3]:443', '"[fe80:0::1%eth1]"'])
    assert.equal(address.of(requestOf('10.0.0.1', `9.9.9.9, ${hop}`)), 'fe80::1')
  assert.equal(address.of(requestOf('fe80::1%eth0', '9.9.9.9')), 'fe80::1%eth0')
})

test('a trustProxy entry that is not an address or range is refused; any other trusts only the addresses in it', () => {
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

test('a range with empty bits, which would mean everyone, is refused, as are bits that are not a plain number', () => {
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

/** The address as the kernel writes it. */
function canonical(address: string): string {
  return isIP(address) === 4 ? address : undressed(new SocketAddress({ address, family: 'ipv6' }).address)
}

function hexOf(ip: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ip.split('.').map(Number)
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

/** All eight groups of an IPv6 address. */
function groupsOf(ip: string): string[] {
  const dotted = /[\d.]+$/.exec(ip)?.[0] ?? ''
  const plain = dotted.includes('.') ? ip.slice(0, -dotted.length) + hexOf(dotted) : ip
  const [front = '', back = ''] = plain.split('::')
  const [left, right] = [front, back].map((half) => half.split(':').filter((group) => group !== '')) as [
    string[],
    string[],
  ]
  const gap = plain.includes('::') ? 8 - left.length - right.length : 0
  return [...left, ...Array.from({ length: gap }, () => '0'), ...right]
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
