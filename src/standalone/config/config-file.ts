import { access, readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { reasonOf, systemCode, usageError } from '../common/cli-error.ts'
import { jsonFlaw } from './json-flaw.ts'

export interface ConfigFile {
  readonly values: Readonly<Record<string, unknown>>
  readonly folder: string
}

/** Reads `file.json`, or imports the default export of a JavaScript or TypeScript file. */
export async function readConfigFile(path: string, isAgain: boolean): Promise<ConfigFile> {
  const file = resolve(path)
  const values = extname(file) === '.json' ? await readJson(file, path) : await importDefault(file, path, isAgain)
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw usageError(`--config ${path} does not hold an object of settings`)
  }
  return { values: { ...values }, folder: dirname(file) }
}

async function readJson(file: string, path: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw unreadable(path, error)
  })
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw usageError(`--config ${path} is not JSON at ${jsonFlaw(text)}`)
  }
}

async function importDefault(file: string, path: string, isAgain: boolean): Promise<unknown> {
  await access(file).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  // Imported only now, so that a bad flag is reported without loading a compiler.
  const { importFile } = await import('./import-file.ts')
  const exported = await importFile(file, isAgain).catch((error: unknown) => {
    throw usageError(`--config ${path} fails${placeIn(file, error)}: ${flawOf(error)}`)
  })
  return exported['default'] ?? exported
}

function unreadable(path: string, error: unknown): Error {
  const reason = systemCode(error) === 'ENOENT' ? 'there is no such file' : reasonOf(error)
  return usageError(`--config ${path}: ${reason}; it takes a .json, .js or .ts file`)
}

/** The line of the file in which an error arose. The compiler keeps lines, but not columns. */
function placeIn(file: string, error: unknown): string {
  const [, behind] = error instanceof Error ? (error.stack ?? '').split(`${file}:`) : []
  const line = /^\d+/.exec(behind ?? '')?.[0]
  return line === undefined ? '' : ` at line ${line}`
}

/** An error's message may quote the file, and so a secret. Only the messages of the system and of Flotilla never do. */
function flawOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it throws something that is not an error'
  const isOurs = error.name === 'FlotillaError' || systemCode(error) !== undefined || isMissingModule(error)
  if (isOurs) return error.message.split('\n', 1)[0]!
  if (error.message.startsWith('ParseError')) return 'it cannot be parsed'
  return `it throws a ${error.name}, whose message is not shown because it may hold a secret`
}

function isMissingModule(error: Error): boolean {
  return 'code' in error && ['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(String(error.code))
}
