import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as flotilla from '../../src/index.ts'
import { flags } from '../../src/standalone/config/flags.ts'

const docs = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8')
const named = [...docs.matchAll(/`([\w/-]+\.test\.ts) › ([^`]+)`/g)].map(([, file = '', name = '']) => ({ file, name }))

test('every test that docs/security.md names exists', () => {
  assert.ok(named.length > 50)
  for (const { file, name } of named) {
    const titles = titlesIn(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'))
    assert.ok(
      titles.some((title) => title.test(name)),
      `${file} has no test '${name}'`,
    )
  }
})

test('every attack in its tables names a test', () => {
  const rows = docs.split('\n').filter((line) => line.startsWith('| ') && line.split('|').length === 6)
  const attacks = rows.filter((row) => !/^\| (attack|-+) /.test(row))
  assert.ok(attacks.length > 35)
  for (const row of attacks) assert.match(row, /\.test\.ts › /)
})

test('every flag and every function that docs/security.md names exists', () => {
  const names = new Set(flags.map(({ name }) => name))
  for (const [, name = ''] of docs.matchAll(/`--([a-z-]+)`/g)) assert.ok(names.has(name), `--${name}`)
  for (const [, name = ''] of docs.matchAll(/`(\w+)\(/g))
    assert.ok(Object.hasOwn(flotilla, name) || name === 'server', name)
})

/** The names of the tests in a source, as patterns: an interpolation in a name matches anything. */
function titlesIn(source: string): RegExp[] {
  return [...source.matchAll(/\btest\(\s*(['"`])(.*?)\1,/gs)].map(([, , title = '']) => {
    const literal = title.split(/\$\{[^}]*\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    return new RegExp(`^${literal.join('.+')}$`)
  })
}
