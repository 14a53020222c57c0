import { writeFile } from 'node:fs/promises'
import { CliError, ExitCode, reasonOf, systemCode, usageError } from '../common/cli-error.ts'

/** `flotilla new module NAME`: writes a module to start from, and says how to run it. */
export async function newModule(name: string): Promise<number> {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(name)) {
    throw usageError(
      `NAME takes a lower-case letter, then lower-case letters, digits and "-", such as chat, not "${name}"`,
    )
  }
  const file = `${name}.ts`
  await writeFile(file, sourceOf(name), { flag: 'wx' }).catch((error: unknown) => {
    if (systemCode(error) === 'EEXIST')
      throw new CliError(`${file} exists already: choose another name, or move that file away`)
    throw new CliError(`cannot write ${file}: ${reasonOf(error)}`)
  })
  process.stdout.write(`wrote ${file}; run it with:\n  flotilla start --dev --module ${file}\n`)
  return ExitCode.ok
}

function sourceOf(name: string): string {
  const variable = name.replaceAll(/-(.?)/g, (_, letter: string) => letter.toUpperCase())
  return `import { defineModule } from 'flotilla'

// Try it: connect to /${name}/lobby?uid=ann and to /${name}/lobby?uid=bob, and send {"cmd":"say","data":{"text":"hello"}}
export const ${variable} = defineModule('/${name}/:room', {
  open: (ctx) => ctx.join(ctx.params.room),

  commands: {
    say: {
      // To have \`data\` checked, add a schema (zod, valibot, arktype: any Standard Schema) as \`data: schema\` beside \`run\`.
      async run({ cluster, connection, data, params, uid }) {
        const except = { connection: connection.id }
        await cluster.push({ group: params.room }, { from: uid ?? 'somebody', said: data }, { except })
        return { ok: true }
      },
    },
  },

  close: (ctx) => ctx.log.info({ uid: ctx.uid, code: ctx.code }, 'left'),
})
`
}
