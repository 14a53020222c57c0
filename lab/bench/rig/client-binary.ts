import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../rig/lab-error.ts'

const sources = fileURLToPath(new URL('../client', import.meta.url))
const cache = fileURLToPath(new URL('../.cache', import.meta.url))
const flags = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-Werror']

/** The path of the load client. It is compiled first if its sources have changed. */
export function clientBinary(): string {
  const files = readdirSync(sources).toSorted()
  const binary = join(cache, `client-${digestOf(files)}`)
  if (!existsSync(binary)) compile(files, binary)
  return binary
}

function digestOf(files: readonly string[]): string {
  const hash = createHash('sha1').update(flags.join(' '))
  for (const file of files) hash.update(file).update(readFileSync(join(sources, file)))
  return hash.digest('hex').slice(0, 12)
}

function compile(files: readonly string[], binary: string): void {
  mkdirSync(cache, { recursive: true })
  const fresh = `${binary}.${process.pid}`
  const units = files.filter((file) => file.endsWith('.c'))
  const { status, error } = spawnSync('gcc', [...flags, '-o', fresh, ...units], {
    cwd: sources,
    stdio: ['ignore', 2, 2],
  })
  if (error !== undefined) throw new LabError('the load client is written in C: apt-get install gcc libc6-dev')
  if (status !== 0) throw new LabError('gcc could not compile the load client')
  renameSync(fresh, binary)
}
