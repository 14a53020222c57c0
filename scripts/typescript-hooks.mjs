import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../node_modules/.cache/flotilla-typescript', import.meta.url))
// The compiler's version and all that it is asked for: with another, nothing in the cache holds.
const esbuild = JSON.parse(readFileSync(new URL('../node_modules/esbuild/package.json', import.meta.url), 'utf8'))
const options = {
  loader: 'ts',
  target: 'node20',
  sourcemap: 'inline',
  sourcesContent: false,
  tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
}
const edition = `${esbuild.version} ${JSON.stringify(options)}`

/** Node's hook: compiles a file of TypeScript, or takes it from the cache. */
export async function load(url, context, nextLoad) {
  if (!/^file:.*\.m?ts$/.test(url)) return nextLoad(url, context)
  const path = fileURLToPath(url)
  const source = readFileSync(path, 'utf8')
  const hash = createHash('sha1').update(`${edition} ${path} ${source}`).digest('hex')
  const file = join(cache, `${hash}.mjs`)
  return { format: 'module', source: cached(file) ?? (await compile(source, path, file)), shortCircuit: true }
}

function cached(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

async function compile(source, path, file) {
  const { transform } = await import('esbuild')
  const { code } = await transform(source, { ...options, sourcefile: path })
  // Several processes may compile the same file: each reads a complete one or none.
  mkdirSync(cache, { recursive: true })
  const part = `${file}.${randomUUID()}`
  writeFileSync(part, code)
  renameSync(part, file)
  return code
}
