import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FlotillaError } from '../../src/errors.ts'
import { createServer, optionTable } from '../../src/index.ts'
import { CliError, ExitCode } from '../../src/standalone/common/cli-error.ts'
import { loadConfig } from '../../src/standalone/config/config.ts'
import { environmentName, flags } from '../../src/standalone/config/flags.ts'
import { settingsSchema } from '../../src/standalone/config/settings.ts'
import { runs } from '../support/fuzz.ts'

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

const anyValue = fc.oneof(
  fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true, withTypedArray: true }),
  fc.integer({ min: -5, max: 70_000 }),
  fc.string(),
  fc.integer().map(String),
  fc.constantFrom<unknown>(cyclic, 10n, Symbol('x'), Number.NaN, null, '', ' ', '1e3', '0x10', 'true', 'on', ',', '/'),
  fc.constantFrom<unknown>('redis://x', 'http://x', 'https://x/y', '10.0.0.0/8', '10.0.0.0/', '::1', '*', 'a,b'),
)

const settable = Object.entries(optionTable).flatMap(([name, { type }]) => (type === 'code' ? [] : [name]))
const checked = [...settable, 'misspelt']

test('createServer accepts its options, or FLT_BAD_OPTION names the one that is wrong', () => {
  const property = fc.property(fc.dictionary(fc.constantFrom(...checked), anyValue, { maxKeys: 3 }), (options) => {
    try {
      createServer({ ...options, modules: [] })
    } catch (error) {
      assert.ok(error instanceof FlotillaError && error.code === 'FLT_BAD_OPTION', String((error as Error).stack))
      assert.ok(
        Object.keys(options).some((name) => error.message.includes(name)),
        error.message,
      )
    }
  })
  fc.assert(property, runs(2_000))
})

test('flotilla start accepts settings from flags and environment, or says in one line what a flag takes', async () => {
  const keys = Object.keys(settingsSchema.shape)
  const anyFlags = fc.dictionary(fc.constantFrom(...keys), anyValue, { maxKeys: 4 })
  const anyEnvironment = fc.dictionary(
    fc.constantFrom(...flags.map(({ name }) => environmentName(name))),
    fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('redis', 'memory', 'true', '1', '*', '::1')),
    { maxKeys: 3 },
  )
  const property = fc.asyncProperty(anyFlags, anyEnvironment, fc.boolean(), async (values, environment, dev) => {
    try {
      await loadConfig({ dev, ...values }, environment)
    } catch (error) {
      assert.ok(error instanceof CliError && error.exitCode === ExitCode.usage, String((error as Error).stack))
      assert.match(error.message, /--|"/)
    }
  })
  await fc.assert(property, runs(2_000))
})

test('no error message shows a secret', async () => {
  const secrets = flags.filter(({ secret }) => secret === true).map(({ key }) => key)
  const property = fc.asyncProperty(fc.constantFrom(...secrets), fc.string({ maxLength: 20 }), async (key, word) => {
    const secret = `é${word} hush`
    const message = await loadConfig({ [key]: secret }, {}).then(String, String)
    assert.ok(!message.includes('hush'), message)
  })
  await fc.assert(property, runs(300))
})
