import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { reasonOf, systemCode, usageError } from './cli-error.ts'

export interface ConfigFile {
  readonly values: Readonly<Record<string, unknown>>
  readonly folder: string
}

/** Reads `file.json`, or imports the default export of a JavaScript or TypeScript file. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const file = resolve(path)
  const values = extname(file) === '.json' ? await readJson(file, path) : await importDefault(file, path)
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw usageError(`--config takes a file that holds an object of settings; ${path} holds something else`)
  }
  return { values: { ...values }, folder: dirname(file) }
}

async function readJson(file: string, path: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw unreadable(path, error)
  })
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw usageError(`--config takes a .json, .js or .ts file; ${path} is not JSON: ${reasonOf(error)}`)
  }
}

async function importDefault(file: string, path: string): Promise<unknown> {
  // Bad flags are told of without loading a compiler.
  const { importFile } = await import('./import-file.ts')
  const exported = await importFile(file).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  return exported['default'] ?? exported
}

function unreadable(path: string, error: unknown): Error {
  const reason = systemCode(error) === 'ENOENT' ? 'there is no such file' : reasonOf(error)
  return usageError(`--config takes a .json, .js or .ts file; cannot read ${path}: ${reason}`)
}
