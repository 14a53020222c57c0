// `node --import ./scripts/typescript.mjs FILE.ts` runs TypeScript, as `node --import tsx` does. Each process starts in half
// the time, and the tests start hundreds.
import { register } from 'node:module'

process.setSourceMapsEnabled(true)
register('./typescript-hooks.mjs', import.meta.url)
