// Entry point of npm run bench, profile, soak, chaos and attacks. `node lab/run.mjs PROGRAM …` installs and builds what
// is missing, then runs the program, such as `bench/main.ts`, with the remaining arguments.
import { prepare } from '../scripts/prepare.mjs'

const [program] = process.argv.splice(2, 1)
prepare()
await import('../scripts/typescript.mjs')
await import(`./${program}`)
