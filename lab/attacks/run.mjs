// npm run attacks: installs and builds what is missing, then runs main.ts with the arguments after `--`.
import { prepare } from '../../scripts/prepare.mjs'

prepare()
const { register } = await import('tsx/esm/api')
register()
await import('./main.ts')
