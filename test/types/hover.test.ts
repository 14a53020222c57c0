import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript-5'
import { optionTable } from '../../src/index.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const sample = join(folder, 'hovered.ts')
const names = Object.keys(optionTable) as (keyof typeof optionTable)[]

const UNITS = { ms: / ms\b/, bytes: /^bytes /i, count: /./ }

test('an editor shows what an option is for, and the unit and the default of a number', () => {
  assert.ok(existsSync(join(folder, '../../dist/index.d.ts')), 'dist/ is missing: run npm run build')
  const source = `import { createServer } from 'flotilla'\nconst any = null as never\ncreateServer({\n${names.map((name) => `  ${name}: any`).join(',\n')}\n})\n`
  const service = serviceFor(source)
  assert.deepEqual(service.getSemanticDiagnostics(sample), [])
  for (const name of names) {
    const info = service.getQuickInfoAtPosition(sample, source.indexOf(`  ${name}:`) + 2)
    const text = ts.displayPartsToString(info?.documentation).replaceAll('\n', ' ')
    assert.match(text, /^\S.+\.$/, `${name} says '${text}'`)
    const row = optionTable[name]
    if (row.type !== 'number') continue
    assert.match(text, new RegExp(`\\bdefault ${row.default}\\b`, 'i'), name)
    assert.match(text, UNITS[row.unit], name)
  }
})

/** A language service that sees the package as its users do, with one file of a user. */
function serviceFor(source: string): ts.LanguageService {
  const { sys } = ts
  return ts.createLanguageService({
    getCompilationSettings: () => ({
      strict: true,
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.NodeNext,
      types: ['node'],
      skipLibCheck: true,
    }),
    getCurrentDirectory: () => folder,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getScriptFileNames: () => [sample],
    getScriptVersion: () => '1',
    getScriptSnapshot: (file) => {
      const text = file === sample ? source : sys.readFile(file)
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
    },
    fileExists: (file) => file === sample || sys.fileExists(file),
    readFile: (file) => (file === sample ? source : sys.readFile(file)),
    directoryExists: sys.directoryExists,
    getDirectories: sys.getDirectories,
  })
}
