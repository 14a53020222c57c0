import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../rig/command.ts'
import { pinSelf } from '../rig/cores.ts'
import { contestants } from './contestants.ts'
import { type Options, parseOptions } from './options.ts'
import { provide } from './provision.ts'
import { CpuProfile } from './report/cpu-profile.ts'
import type { RunOptions, Scenario } from './scenarios/scenario.ts'
import type { System } from './systems/system.ts'

const FUNCTIONS = 30
const PLACES = 15
const folder = fileURLToPath(new URL('profiles', import.meta.url))
const usage = `npm run profile -- W1 … W15 [--only SYSTEM] [--seconds N]

Makes one short run of each scenario, with Node's CPU profiler on the node under test and on the publisher. Without
--only it profiles flotilla.
`

await runCommand({ usage, parseOptions: parseProfileOptions, run: profileAll })

function parseProfileOptions(args: string[]): Options | 'help' {
  const hasSystem = args.some((arg) => arg.startsWith('--only'))
  return parseOptions(['--quick', ...(hasSystem ? [] : ['--only', 'flotilla']), ...args])
}

async function profileAll(options: Options): Promise<boolean> {
  provide(options)
  pinSelf()
  for (const scenario of options.scenarios) {
    for (const system of contestants(scenario, options.systems)) await profile(scenario, system, options.effort)
  }
  return true
}

async function profile(scenario: Scenario, system: System, effort: Parameters<Scenario['run']>[1]): Promise<void> {
  const name = `${scenario.id}-${system.id}`
  const [node, publisher] = [folderFor(`${name}-node`), folderFor(`${name}-publisher`)]
  const options: RunOptions = {
    subjectFlags: flagsFor(node),
    publisherFlags: flagsFor(publisher),
    note: (text) => process.stderr.write(`${text}\n`),
  }
  process.stderr.write(`${scenario.id} ${scenario.title}: ${system.label}\n`)
  await scenario.run(system, effort, options)
  show('The node under test', node)
  show('The publisher', publisher)
}

function folderFor(name: string): string {
  const path = join(folder, name)
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  return path
}

function flagsFor(path: string): string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${path}`]
}

function show(who: string, path: string): void {
  const files = readdirSync(path)
  if (files.length === 0) return
  const profile = CpuProfile.readAll(path)
  const parts = [
    `${who}: ${profile.summary}`,
    profile.topFunctions(FUNCTIONS),
    profile.topPlaces(PLACES),
    `To see it as a flame graph: in Chrome, open DevTools (F12), Performance, and load\n${files
      .map((file) => `  ${relative(process.cwd(), join(path, file))}`)
      .join('\n')}`,
  ]
  process.stdout.write(`\n${parts.join('\n\n')}\n`)
}
