import { relative } from 'node:path'
import { createServer, defineModule, type ServerOptions } from '../index.ts'
import { CliError, reasonOf, systemCode, usageError } from './cli-error.ts'
import type { Config } from './config-check.ts'
import { importFile } from './import-file.ts'

type Modules = ServerOptions['modules']

/** The user's modules, and ours where the user has none at that path. */
export async function loadModules(config: Config): Promise<Modules> {
  const listed = await Promise.all(
    config.modules.map(async (entry) => (typeof entry === 'string' ? await load(entry) : entry)),
  )
  const theirs = listed.flat()
  const taken = new Set(theirs.map(pathOf))
  return [...builtIn(config).filter((ours) => !taken.has(ours.path)), ...theirs]
}

function builtIn({ dev, echo }: Config) {
  const modules = [dev ? devPush : push]
  return echo ? [...modules, echoModule] : modules
}

/** Receives pushes, answers `ping`, and ignores whatever else is said to it. */
const push = defineModule('/ws', {})

/** The page of --dev shows which connection it is. */
const devPush = defineModule('/ws', {
  commands: {
    whoami: {
      run: ({ connection, cluster }) => ({
        connection: connection.id,
        node: cluster.self,
        uid: connection.uid ?? null,
        groups: [...connection.groups],
      }),
    },
  },
})

const echoModule = defineModule('/echo', { message: (ctx) => ctx.raw })

function pathOf(module: object): string | undefined {
  return 'path' in module && typeof module.path === 'string' ? module.path : undefined
}

async function load(file: string): Promise<object[]> {
  const name = relative(process.cwd(), file)
  const exported = await importFile(file).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') throw usageError(`--module takes the path of a file; ${name} is not there`)
    throw new CliError(`--module ${name} failed while it was loaded: ${reasonOf(error)}`, undefined, { cause: error })
  })
  const modules = [...new Set(Object.values(exported))].flatMap((value) => (Array.isArray(value) ? value : [value]))
  const found = modules.filter(isModule)
  if (found.length > 0) return found
  throw usageError(
    `--module takes a file that exports modules, by default or by name; ${name} exports none: export what defineModule returned, or a class with @WsModule`,
  )
}

function isModule(value: unknown): value is object {
  if (typeof value === 'function') return isModuleClass(value)
  return typeof value === 'object' && value !== null && pathOf(value) !== undefined
}

/** A file may export its controllers and helpers too. Only of a class with `@WsModule` the library wants an instance. */
function isModuleClass(type: Function): boolean {
  let isAsked = false
  const resolve = (): never => {
    isAsked = true
    throw new Error('no instance is needed')
  }
  try {
    createServer({ modules: [type], resolve, pingInterval: 0 })
  } catch {
    return isAsked
  }
  return false
}
