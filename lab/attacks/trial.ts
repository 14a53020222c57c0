import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { API_KEY, SECRET, tokenFor } from '../../test/standalone/api-call.ts'
import { Child } from '../../test/support/child.ts'
import { startNode, type TestNode } from '../../test/support/start-node.ts'
import { typescript } from '../../test/support/typescript.ts'
import { LabError } from '../rig/lab-error.ts'
import { residentBytes } from '../rig/memory.ts'
import { type Attack, usualConfig } from './attacks.ts'
import { KeyEndpoint } from './key-endpoint.ts'
import { People } from './people.ts'

const attacker = fileURLToPath(new URL('attacker.ts', import.meta.url))
const talk = fileURLToPath(new URL('nodes/talk.mjs', import.meta.url))
const flags = ['--log-level=silent', '--echo', `--module=${talk}`]
const MIB = 2 ** 20
const MAX_MIB = 384
/** ms before the measurement, in which the node compiles the code that it runs. */
const WARM_UP = 500

/** How an attack went. */
export interface Findings {
  readonly outcomes: Readonly<Record<string, number>>
  /** The node's highest resident memory under attack, minus its highest before, in MiB. */
  readonly mibMore: number
  /** How many ordinary clients were disconnected, and how many messages they did not receive. */
  readonly goneCount: number
  readonly unheardCount: number
  /** The 99th percentile of the time from sending to receiving, in ms: before the attack and under it. */
  readonly calm: number
  readonly latency: number
}

/** Starts a node with ordinary clients and attacks it for a while. */
export async function attempt(attack: Attack, seconds: number): Promise<Findings> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-attack-'))
  const config = join(folder, 'flotilla.json')
  await writeFile(config, JSON.stringify({ ...usualConfig, ...attack.config }))
  const keys = attack.failsKeys === true ? await KeyEndpoint.start() : undefined
  const source = keys?.flags ?? [`--token-secret=${SECRET}`]
  let node: TestNode | undefined
  try {
    node = await startNode([...flags, ...source, '--config', config], { apiKey: API_KEY })
    return await findingsOn(node, attack, seconds, keys)
  } finally {
    keys?.close()
    await node?.kill9()
    await rm(folder, { recursive: true })
  }
}

async function findingsOn(node: TestNode, attack: Attack, seconds: number, keys?: KeyEndpoint): Promise<Findings> {
  const { url } = node
  const people = await People.connect(url, keys?.tokenFor ?? tokenFor)
  keys?.fail()
  const token = await (keys?.forged() ?? tokenFor('eve'))
  await people.live(WARM_UP)
  const before = new Memory(node.pid)
  people.forget()
  await people.live(seconds * 1_000)
  const calm = people.latency
  const usual = before.stop()
  const during = new Memory(node.pid)
  people.forget()
  const outcomes = await attacked(people, [attack.name, url, token, String(seconds)])
  const { latency } = people
  const mibMore = (during.stop() - usual) / MIB
  await people.settle()
  const { goneCount, unheardCount } = people
  people.leave()
  return { outcomes, mibMore, goneCount, unheardCount, calm, latency }
}

/** Resolves to how the attempts ended. Meanwhile the ordinary clients go on sending and receiving. */
async function attacked(people: People, args: readonly string[]): Promise<Record<string, number>> {
  const hostile = new Child(process.execPath, [...typescript, attacker, ...args])
  const over = hostile.exited.then(() => false)
  while (await Promise.race([people.live(100).then(() => true), over]));
  const { code } = await hostile.exited
  if (code !== 0) throw new LabError(`the attacker ended with ${code}: ${hostile.stderr}`)
  return JSON.parse(hostile.stdout) as Record<string, number>
}

/** The broken promises that do not depend on how fast the machine is; empty if there are none. */
export function flawsOf({ outcomes: allowed, counts = {} }: Attack, findings: Findings): string[] {
  const { outcomes, mibMore, goneCount, unheardCount } = findings
  const names = Object.keys(outcomes)
  const wrong = Object.keys(counts).filter((name) => outcomes[name] !== counts[name])
  return [
    ...(names.length === 0 ? ['made no attempt that ended'] : []),
    ...names
      .filter((name) => !allowed.includes(name))
      .map((name) => `ended with '${name}' ${outcomes[name]} times, which is not allowed`),
    ...wrong.map((name) => `ended with '${name}' ${outcomes[name] ?? 0} times instead of ${counts[name]}`),
    ...(mibMore > MAX_MIB ? [`took ${Math.round(mibMore)} MiB more than in calm; the limit is ${MAX_MIB}`] : []),
    ...(goneCount > 0 ? [`ordinary clients disconnected: ${goneCount}`] : []),
    ...(unheardCount > 0 ? [`messages that ordinary clients did not receive: ${unheardCount}`] : []),
  ]
}

/** Says if ordinary clients waited more than `bound` ms longer than in calm. That depends on the machine, too. */
export function delayOf({ calm, latency }: Findings, bound: number): string[] {
  if (latency <= calm + bound) return []
  return [
    `messages of ordinary clients took ${Math.round(latency - calm)} ms longer than in calm; the limit is ${bound}`,
  ]
}

/** The resident memory of a process, sampled every 50 ms. */
class Memory {
  readonly #pid: number
  readonly #timer: NodeJS.Timeout
  #most = 0

  constructor(pid: number) {
    this.#pid = pid
    this.#timer = setInterval(() => this.#look(), 50)
  }

  /** Ends the sampling and returns the maximum. */
  stop(): number {
    clearInterval(this.#timer)
    this.#look()
    return this.#most
  }

  #look(): void {
    this.#most = Math.max(this.#most, residentBytes(this.#pid))
  }
}
