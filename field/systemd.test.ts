import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Child } from '../test/support/child.ts'

const unit = new URL('../deploy/flotilla.service', import.meta.url)
/** From 0, locked up, to 10, everything allowed. */
const MAX_EXPOSURE = 20

test('systemd understands every line of the unit, and calls it locked up', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-unit-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'flotilla.service')
  // systemd checks that the program exists.
  await writeFile(file, (await readFile(unit, 'utf8')).replace('/usr/bin/node ', `${process.execPath} `))

  const verify = new Child('systemd-analyze', ['verify', '--man=no', file])
  assert.equal((await verify.exited).code, 0, verify.stderr)
  assert.doesNotMatch(verify.stderr, /flotilla/)
  const security = new Child('systemd-analyze', ['security', '--offline=true', `--threshold=${MAX_EXPOSURE}`, file])
  assert.equal((await security.exited).code, 0, security.stdout)
})
