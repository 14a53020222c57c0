// A hostile program of its own, so that it takes no time from those who measure: `attacker.ts ATTACK URL TOKEN SECONDS`.
// It prints what became of its attempts, as `{"outcome": count}`.
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
