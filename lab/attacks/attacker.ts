// The hostile program, `attacker.ts ATTACK URL TOKEN SECONDS`. It has a process of its own, so that it takes no time
// from the clients that measure. It prints how its attempts ended, as `{"outcome": count}`.
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
