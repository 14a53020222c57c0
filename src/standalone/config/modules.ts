import { relative } from 'node:path'
import { defineModule, modulePathOf, type ServerOptions } from '../../index.ts'
import { CliError, reasonOf, systemCode, usageError } from '../common/cli-error.ts'
import type { Config } from './config-check.ts'
import { importFile } from './import-file.ts'

type Modules = ServerOptions['modules']

/** The user's modules, and each built-in module unless the user has one at the same path. */
export async function loadModules(config: Config): Promise<Modules> {
  const listed = await Promise.all(
    config.modules.map(async (entry) => (typeof entry === 'string' ? await load(entry) : entry)),
  )
  const theirs = listed.flat()
  const taken = new Set(theirs.map(modulePathOf))
  return [...builtIn(config).filter((ours) => !taken.has(ours.path)), ...theirs]
}

function builtIn({ dev, echo }: Config) {
  const modules = [dev ? devPush : push]
  return echo ? [...modules, echoModule] : modules
}

/** Receives pushes, answers `ping`, and ignores every other message. */
const push = defineModule('/ws', {})

/** With --dev, also answers `whoami`: the page shows which connection it has. */
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

async function load(file: string): Promise<object[]> {
  const name = relative(process.cwd(), file)
  const exported = await importFile(file).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') throw usageError(`--module ${name}: there is no such file`)
    throw new CliError(`--module ${name} failed while it was loaded: ${reasonOf(error)}`, undefined, { cause: error })
  })
  const modules = [...new Set(Object.values(exported))].flatMap((value) => (Array.isArray(value) ? value : [value]))
  const found = modules.filter((value) => modulePathOf(value) !== undefined)
  if (found.length > 0) return found
  throw usageError(
    `--module ${name} exports no module: export what defineModule returned, or a class with @WsModule, by default or by name`,
  )
}
