// npm run profile: installs and builds what is missing, then runs profiling.ts with the arguments after `--`.
import { prepare } from '../../scripts/prepare.mjs'

prepare()
const { register } = await import('tsx/esm/api')
register()
await import('./profiling.ts')
