import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { API_KEY, SECRET, tokenFor } from '../test/standalone/api-call.ts'
import { Child } from '../test/support/child.ts'
import { connect } from '../test/support/connect.ts'
import { freePort } from '../test/support/free-port.ts'
import { startNode } from '../test/support/start-node.ts'

const docs = await readFile(new URL('../docs/http-api.md', import.meta.url), 'utf8')
/** The code blocks with the mark `snippet`, by their language. */
const snippets = new Map(
  [...docs.matchAll(/^```(\w+) snippet\n(.*?)^```$/gms)].map(([, language = '', code = '']) => [language, code]),
)
const programs: readonly [language: string, program: string][] = [
  ['sh', 'sh'],
  ['php', 'php'],
  ['python', 'python3'],
]

test('every snippet has a program that runs it', () => {
  assert.deepEqual(
    [...snippets.keys()],
    programs.map(([language]) => language),
  )
})

for (const [language, program] of programs) {
  test(`the snippet for ${language} pushes, prints the receipt, and fails if the server refuses or is away`, async (t) => {
    const file = await fileOf(t, snippets.get(language) ?? '')
    const run = async (url: string, key: string): Promise<Ended> => {
      const env = { ...process.env, FLOTILLA_URL: url, FLOTILLA_API_KEY: key }
      const child = new Child(program, [file], { env })
      const { code } = await child.exited
      return { code, stdout: child.stdout, all: child.stdout + child.stderr }
    }
    const { url } = await startServer(t)
    const client = await connect(url, { token: await tokenFor('u1') })
    t.after(() => client.vanish())

    const pushed = await run(url, API_KEY)
    assert.equal(pushed.code, 0, pushed.all)
    const { id, nodeCount, offline } = JSON.parse(pushed.stdout) as Record<string, unknown>
    assert.deepEqual({ id, nodeCount, offline }, { id: 'order-42', nodeCount: 1, offline: ['u2'] })
    assert.deepEqual(JSON.parse(String(await client.next())), { text: 'hello' })

    const again = await run(url, API_KEY)
    assert.deepEqual(JSON.parse(again.stdout), JSON.parse(pushed.stdout), 'the same push again has the same receipt')

    const refused = await run(url, 'wrong')
    assert.notEqual(refused.code, 0)
    assert.match(refused.all, /FLT_UNAUTHORIZED/)
    const away = await run(`http://127.0.0.1:${await freePort()}`, API_KEY)
    assert.notEqual(away.code, 0)
  })
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly all: string
}

async function startServer(t: TestContext): Promise<{ readonly url: string }> {
  const node = await startNode(['--token-secret', SECRET, '--log-level', 'error'], { apiKey: API_KEY })
  t.after(() => node.stop())
  return node
}

async function fileOf(t: TestContext, code: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-snippet-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'snippet')
  await writeFile(file, code)
  return file
}
