// The hostile program, `attacker.ts ATTACK URL TOKEN SECONDS`. It is a process of its own, so that it does not delay
// the ordinary clients, whose waits are measured. It prints how its attempts ended, as `{"outcome": count}`.
import { once } from 'node:events'
import { attacks } from './attacks.ts'
import { Hostile } from './hostile.ts'

const [name = '', url = '', token = '', seconds = ''] = process.argv.slice(2)
const attack = attacks.find((each) => each.name === name)
if (attack === undefined) throw new Error(`there is no attack ${name}`)
const hostile = new Hostile(url, token, Number(seconds))
await attack.run(hostile)
process.stdout.write(`${JSON.stringify(hostile.outcomes)}\n`)
if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
process.exit()
