/** The arguments with which Node runs a file of TypeScript. */
export const typescript: readonly string[] = ['--import', new URL('../../scripts/typescript.mjs', import.meta.url).href]
