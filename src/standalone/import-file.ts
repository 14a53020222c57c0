import { access } from 'node:fs/promises'
import * as flotilla from '../index.ts'

/** Imports a user's JavaScript or TypeScript file, whatever kind of module it is. */
export async function importFile(file: string): Promise<Record<string, unknown>> {
  await access(file)
  const { createJiti } = await import('jiti')
  // The file must meet this very library: another copy of it would not know this one's decorators and errors.
  const jiti = createJiti(import.meta.url, { interopDefault: false, virtualModules: { flotilla } })
  return await jiti.import<Record<string, unknown>>(file)
}
