import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const docs = ['CONTRIBUTING.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((path) =>
  path.endsWith('.md'),
)

/** A place in a source that a rule names: a file, and a name or a test's title in it. */
interface Place {
  readonly file: string
  readonly name: string | undefined
}

interface Rule {
  readonly number: string
  readonly keepers: readonly Place[]
  readonly tests: readonly Place[]
}

const rules: readonly Rule[] = read('docs/invariants.md')
  .split(/^### /m)
  .slice(1)
  .map((text) => ({
    number: /^[A-Z]\d+/.exec(text)?.[0] ?? text.slice(0, 20),
    keepers: placesIn(/^- Kept by: .*?(?=^- |\n\n|$(?![\s\S]))/ms.exec(text)?.[0] ?? ''),
    tests: placesIn(/^- Tested by: .*?(?=\n\n|$(?![\s\S]))/ms.exec(text)?.[0] ?? ''),
  }))

test('every file that the docs name exists', () => {
  for (const doc of docs) {
    for (const [, path = ''] of read(doc).matchAll(/`((?:src|test|docs|examples|scripts)\/[\w./-]+)`/g)) {
      assert.ok(existsSync(join(root, path)), `${doc} names ${path}`)
    }
  }
})

test('every link from one document to another leads somewhere', () => {
  for (const doc of docs) {
    for (const [, link = ''] of read(doc).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(root, doc, '..', link)), `${doc} links to ${link}`)
    }
  }
})

test('every rule has a number of its own', () => {
  assert.ok(rules.length > 50)
  const numbers = rules.map(({ number }) => number)
  assert.deepEqual(
    numbers.filter((number, index) => !/^[A-Z]\d+$/.test(number) || numbers.indexOf(number) !== index),
    [],
  )
})

test('every rule names what keeps it and what tests it, by names that are there', () => {
  for (const { number, keepers, tests } of rules) {
    assert.ok(
      keepers.some(({ file }) => file.startsWith('src/')),
      `${number} names no source that keeps it`,
    )
    assert.ok(
      tests.some(({ file }) => file.startsWith('test/')),
      `${number} names no test`,
    )
    for (const { file, name } of keepers) {
      assert.ok(name === undefined || isDefinedIn(read(file), name), `${number}: ${file} has no ${name}`)
    }
    for (const { file, name } of tests) {
      assert.ok(name === undefined || read(file).includes(name), `${number}: ${file} has no test '${name}'`)
    }
  }
})

test('every rule is cited where it is kept, and where it is tested', () => {
  for (const { number, keepers, tests } of rules) {
    const isCited = ({ file }: Place): boolean => citedIn(read(file)).includes(number)
    assert.ok(keepers.some(isCited), `${number} is cited by none of the sources that keep it`)
    assert.ok(tests.some(isCited), `${number} is cited by none of its tests`)
  }
})

test('every rule that the code cites exists', () => {
  const numbers = new Set(rules.map(({ number }) => number))
  for (const file of sourcesIn('src').concat(sourcesIn('test'))) {
    for (const number of citedIn(read(file))) assert.ok(numbers.has(number), `${file} cites ${number}`)
  }
})

/** `file` `name`, … A name that holds a backtick stands between two. */
function placesIn(text: string): Place[] {
  const places = text.matchAll(/`((?:src|test)\/[^`]+)`(?:\s+(`+) ?(.+?) ?\2(?!`))?/g)
  return [...places].map(([, file = '', , name]) => ({ file, name }))
}

/** `Class`, `Class.member`, or the name of a function, a constant or a script. */
function isDefinedIn(source: string, name: string): boolean {
  const [first = '', member] = name.split('.')
  if (member === undefined) {
    return new RegExp(`\\b(?:class|function|const|interface) ${first}\\b|^ +${first}: \\{`, 'm').test(source)
  }
  const isMember = new RegExp(`^ +(?:async |get |static )*${member}[<(]`, 'm')
  return source.includes(`class ${first}`) && isMember.test(source)
}

/** "Invariant R3: …", "Invariants N1, N2: …" */
function citedIn(source: string): string[] {
  return [...source.matchAll(/\bInvariants? ((?:[A-Z]\d+(?:, )?)+)/g)].flatMap(([, numbers = '']) =>
    numbers.split(', '),
  )
}

function sourcesIn(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  return entries.filter((path) => path.endsWith('.ts')).map((path) => join(folder, path))
}
