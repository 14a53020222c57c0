import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const cli = fileURLToPath(new URL('../../dist/standalone/cli.js', import.meta.url))

export interface Place {
  readonly env?: Record<string, string>
  readonly cwd?: string
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Started {
  readonly url: string
  readonly node: string
  readonly child: ChildProcess
  /** Its exit code and all that it wrote, the ready line included. Resolves once it has ended. */
  readonly ended: Promise<Ended>
}

/** Runs a command to its end. */
export async function flotilla(args: readonly string[], place: Place = {}): Promise<Ended> {
  return await endOf(spawnCli(args, place))
}

/** Starts a server and waits for its ready line. The server is killed after the test. */
export async function startFlotilla(t: TestContext, args: readonly string[], place: Place = {}): Promise<Started> {
  const child = spawnCli(['start', ...args], place)
  const ended = endOf(child)
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const line = await Promise.race([firstLine(child), ended])
  if (typeof line !== 'string') throw new Error(`no ready line, but exit code ${line.code}: ${line.stderr}`)
  const [, node = '', url = ''] = /^ready node=(\S+) url=(\S+)$/.exec(line) ?? []
  if (url === '') throw new Error(`not a ready line: ${line}`)
  return { url, node, child, ended }
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  return line
}

function spawnCli(args: readonly string[], { env = {}, cwd }: Place): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(FLOTILLA|NODE)_/.test(name))
  return spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function endOf(child: ChildProcess): Promise<Ended> {
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')])
  return { code: code as number | null, stdout, stderr }
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}
