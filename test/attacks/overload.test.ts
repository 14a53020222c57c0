import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { attacks } from '../../lab/attacks/attacks.ts'
import { attempt, delayOf, flawsOf } from '../../lab/attacks/trial.ts'
import { Child } from '../support/child.ts'

// `npm run attacks` measures how long the messages of ordinary clients take meanwhile.
for (const attack of attacks)
  test(`${attack.name}: the node refuses it as documented, keeps its memory bounded, and serves everyone else`, async (t) => {
    const findings = await attempt(attack, 0.5)
    t.diagnostic(JSON.stringify(findings))
    assert.deepEqual(flawsOf(attack, findings), [])
  })

const command = [fileURLToPath(new URL('../../lab/run.mjs', import.meta.url)), 'attacks/main.ts']
const run = (...args: string[]): Child => new Child(process.execPath, [...command, ...args])

test('npm run attacks measures what an attack costs everyone else', async () => {
  const child = run('--only', 'bad tokens', '--seconds', '0.5', '--bound', '600000')
  assert.deepEqual(await child.exited, { code: 0, signal: null }, child.stderr)
  assert.match(child.stdout, /^\| bad tokens \| +401: \d+ \| +-?\d+ \| +\d+ \| +\d+ \|$/m)
})

test('an attack fails if ordinary clients have to wait too long, are disconnected, or miss a message', () => {
  const [attack] = attacks
  assert.ok(attack !== undefined)
  const fine = { outcomes: { 'cut off': 3 }, mibMore: 20, goneCount: 0, unheardCount: 0, calm: 10, latency: 250 }
  assert.deepEqual([...flawsOf(attack, fine), ...delayOf(fine, 250)], [])
  const bad = { outcomes: { '101': 3 }, mibMore: 500, goneCount: 1, unheardCount: 2, calm: 10, latency: 261 }
  assert.deepEqual(
    [...flawsOf(attack, bad), ...delayOf(bad, 250)],
    [
      "ended with '101' 3 times, which is not allowed",
      'took 500 MiB more than in calm; the limit is 384',
      'ordinary clients disconnected: 1',
      'messages that ordinary clients did not receive: 2',
      'messages of ordinary clients took 251 ms longer than in calm; the limit is 250',
    ],
  )
})

test('npm run attacks lists the attacks if it is asked for an unknown one', async () => {
  const child = run('--only', 'kindness')
  assert.equal((await child.exited).code, 1)
  assert.match(child.stderr, /there is no attack 'kindness': choose from half-open, /)
})
