import { access, realpath } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { Jiti, TransformOptions, TransformResult } from 'jiti'
import * as flotilla from '../../index.ts'

/**
 * Imports a user's JavaScript or TypeScript file, whatever kind of module it is.
 *
 * @param isAgain whether it may have been imported before and be another one now
 */
export async function importFile(file: string, isAgain = false): Promise<Record<string, unknown>> {
  await access(file)
  if (isAgain && /\.[mc]js$/.test(file)) return await importNatively(file)
  const { createJiti } = await import('jiti')
  const compiler = createJiti(import.meta.url)
  const jiti = createJiti(import.meta.url, {
    interopDefault: false,
    // The file gets this copy of the library, so that it needs none of its own, and so that versions do not differ.
    virtualModules: { flotilla },
    transform: (options) => compile(compiler, options),
    // Another program's jiti may have cached the same file, compiled in its own way.
    fsCache: false,
    ...(isAgain && { moduleCache: false }),
  })
  return await jiti.import<Record<string, unknown>>(file)
}

/** jiti leaves these files to Node, whose caches it does not pass by. */
async function importNatively(file: string): Promise<Record<string, unknown>> {
  // Node caches a file under its own name, not under that of a link to it.
  delete createRequire(import.meta.url).cache[await realpath(file)]
  return (await import(`${pathToFileURL(file).href}?read=${performance.now()}`)) as Record<string, unknown>
}

/**
 * jiti adds decorators for type metadata. If reflect-metadata is not loaded, they return the prototype, which then
 * replaces the method. This makes them return nothing.
 */
function compile(compiler: Jiti, options: TransformOptions): TransformResult {
  const code = compiler.transform(options)
  return { code: code.replaceAll(/(Reflect\.metadata\?\.\("design:.*?) \|\| \(\(t\) => t\)/g, '$1 || (() => {})') }
}
