import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

// docs/architecture.md draws which room may import from which. These tests plant imports that the linter must find.

const root = fileURLToPath(new URL('..', import.meta.url))
const oxlint = join(root, 'node_modules/.bin/oxlint')

/** The layers from the bottom to the top. A room may import from the layers under its own. */
const layers = [
  ['lib'],
  ['wire', 'envelope'],
  ['outbound', 'modules'],
  ['middleware', 'connection'],
  ['admission'],
  ['drivers'],
  ['push'],
  ['delivery'],
  ['cluster'],
]
/** Pairs of a room and a room of a lower layer that it may not import from all the same. */
const forbidden = [
  ['outbound', 'wire'],
  ['middleware', 'outbound'],
  ['drivers', 'wire'],
  ['drivers', 'outbound'],
  ['drivers', 'modules'],
  ['drivers', 'connection'],
  ['drivers', 'admission'],
  ['push', 'outbound'],
  ['push', 'modules'],
  ['push', 'middleware'],
  ['push', 'connection'],
  ['push', 'admission'],
  ['delivery', 'middleware'],
  ['delivery', 'admission'],
  ['cluster', 'middleware'],
  ['cluster', 'admission'],
  ['admission', 'middleware'],
] as const

const levelOf = (room: string): number => layers.findIndex((layer) => layer.includes(room))
const rooms = layers.flat()
const upwards = rooms.flatMap((room) =>
  rooms.filter((other) => other !== room && levelOf(other) >= levelOf(room)).map((other) => [room, other] as const),
)
const planted = [
  ...[...upwards, ...forbidden].map(([room, other]) => [room, `../${other}/planted.ts`]),
  ...rooms.flatMap((room) => ['server', 'index', 'options'].map((top) => [room, `../${top}.ts`])),
  ...['push', 'delivery', 'cluster'].map((room) => [room, '../drivers/redis/planted.ts']),
  ['drivers/memory', '../redis/planted.ts'],
  ['drivers/redis', '../memory/planted.ts'],
  ['drivers/redis', '../../push/planted.ts'],
  ['standalone', '../server.ts'],
  ['standalone', '../cluster/planted.ts'],
  ['standalone/http', '../../modules/planted.ts'],
  ['wire', 'node:fs'],
  ['envelope', 'node:fs'],
] as const
const allowed = [
  ['wire', '../lib/planted.ts'],
  ['connection', '../outbound/planted.ts'],
  ['push', '../drivers/planted.ts'],
  ['delivery', '../push/planted.ts'],
  ['cluster', '../delivery/planted.ts'],
  ['cluster', './planted.ts'],
  ['drivers/redis', '../../envelope/planted.ts'],
  ['standalone/http', '../../index.ts'],
  ['standalone/config', '../../drivers/redis/redis.ts'],
] as const

let house: string
let found: readonly string[]

before(async () => {
  house = await mkdtemp(join(tmpdir(), 'flotilla-rooms-'))
  await cp(join(root, '.oxlintrc.json'), join(house, '.oxlintrc.json'))
  await plant('bad', planted)
  await plant('good', allowed)
  found = await restrictedImports()
})

after(() => rm(house, { recursive: true }))

test('the linter refuses an import against the direction of the rooms, in every room', () => {
  for (const [index, [room, path]] of planted.entries()) {
    assert.ok(found.includes(`src/${room}/bad${index}.ts`), `src/${room} may not import ${path}`)
  }
})

test('the linter accepts an import in the direction of the rooms', () => {
  assert.deepEqual(
    found.filter((file) => file.includes('/good')),
    [],
  )
})

async function plant(name: string, imports: readonly (readonly string[])[]): Promise<void> {
  for (const [index, [room, path]] of imports.entries()) {
    const file = join(house, 'src', room!, `${name}${index}.ts`)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, `import { planted } from '${path}'\nplanted()\n`)
  }
}

/** The files in which the linter found a forbidden import. */
function restrictedImports(): Promise<string[]> {
  return new Promise((resolve, reject) => {
    execFile(oxlint, ['--format=json'], { cwd: house, maxBuffer: 2 ** 24 }, (_, stdout, stderr) => {
      try {
        const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] }
        resolve(
          diagnostics.filter(({ code }) => code.includes('no-restricted-imports')).map(({ filename }) => filename),
        )
      } catch {
        reject(new Error(`oxlint said: ${stdout}${stderr}`))
      }
    })
  })
}
