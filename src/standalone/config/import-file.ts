import { access } from 'node:fs/promises'
import type { Jiti, TransformOptions, TransformResult } from 'jiti'
import * as flotilla from '../../index.ts'

/** Imports a user's JavaScript or TypeScript file, whatever kind of module it is. */
export async function importFile(file: string): Promise<Record<string, unknown>> {
  await access(file)
  const { createJiti } = await import('jiti')
  const compiler = createJiti(import.meta.url)
  const jiti = createJiti(import.meta.url, {
    interopDefault: false,
    // The file must import this very copy of the library: another one would not know this one's decorators and errors.
    virtualModules: { flotilla },
    transform: (options) => compile(compiler, options),
    // Another program's jiti may have cached the same file, compiled in its own way.
    fsCache: false,
  })
  return await jiti.import<Record<string, unknown>>(file)
}

/**
 * jiti adds decorators for type metadata. If reflect-metadata is not loaded, they return the prototype, which then
 * replaces the method. This makes them return nothing.
 */
function compile(compiler: Jiti, options: TransformOptions): TransformResult {
  const code = compiler.transform(options)
  return { code: code.replaceAll(/(Reflect\.metadata\?\.\("design:.*?) \|\| \(\(t\) => t\)/g, '$1 || (() => {})') }
}
