import { PassThrough } from 'node:stream'
import type { Cluster, Target } from '../../src/api.ts'
import { ClientConnection } from '../../src/connection/client-connection.ts'
import { partitionOf, connectionId, newProcessId } from '../../src/envelope/ids.ts'
import { type Logger, silent } from '../../src/logger.ts'
import { HandshakeContext } from '../../src/modules/contexts.ts'
import { type CompileOptions, compileModules, type Module } from '../../src/modules/module.ts'
import type { UpgradeRequest } from '../../src/modules/upgrade-request.ts'
import { newCounters, type OverflowRules } from '../../src/outbound/backlog.ts'
import { Flusher } from '../../src/outbound/flusher.ts'
import { StreamTransport } from '../support/stream-transport.ts'

export type Failure = Parameters<CompileOptions['onError']>[0]

const rules: OverflowRules = { maxBuffered: 2 ** 20, overflow: 'close', counters: newCounters() }

/** A real connection whose outgoing frames the test can read. */
export class Client {
  readonly connection: ClientConnection
  readonly #flusher = new Flusher()
  readonly #wire = new PassThrough()

  constructor(params: Record<string, string> = {}, request: Partial<UpgradeRequest> = {}) {
    const id = connectionId(newProcessId(), partitionOf('test'), 1)
    const meta = { ip: '127.0.0.1', port: 1, path: '/', pattern: '/', openedAt: 0 }
    const upgrade = { url: '/', rawHeaders: [], ...request }
    this.connection = new ClientConnection(id, { params, session: {}, meta, request: upgrade }, this.#flusher, rules)
    this.connection.opened(new StreamTransport(this.#wire))
  }

  /** The messages that were sent since the last call. */
  received(): (string | Uint8Array)[] {
    this.#flusher.flush()
    const bytes: Buffer = this.#wire.read() ?? Buffer.alloc(0)
    const messages: (string | Uint8Array)[] = []
    for (let at = 0; at < bytes.length;) {
      const [length, start] = sizeOf(bytes, at)
      const body = bytes.subarray(start, start + length)
      messages.push((bytes[at]! & 0xf) === 1 ? body.toString() : new Uint8Array(body))
      at = start + length
    }
    return messages
  }

  /** The messages that were sent since the last call, parsed as JSON. */
  replies(): unknown[] {
    return this.received().map((message) => JSON.parse(String(message)))
  }

  /** Hands one message to a module and returns its replies. */
  async ask(module: Module, message: unknown): Promise<unknown[]> {
    await module.message(this.connection, JSON.stringify(message))
    return this.replies()
  }
}

/** A cluster that has only `join` and `leave`, and records their arguments. */
export class FakeCluster {
  readonly calls: unknown[] = []

  async join(target: Target, ...groups: string[]): Promise<number> {
    this.calls.push(['join', target, groups])
    return 1
  }

  async leave(target: Target, ...groups: string[]): Promise<number> {
    this.calls.push(['leave', target, groups])
    return 1
  }
}

export const noCluster = new FakeCluster() as unknown as Cluster

export interface Compiled {
  readonly modules: Module[]
  readonly module: Module
  readonly failures: Failure[]
}

export function compile(entry: object | object[], options: Partial<CompileOptions> = {}): Compiled {
  const failures: Failure[] = []
  const modules = compileModules({
    modules: [entry].flat(),
    cluster: noCluster,
    log: silent,
    onError: (failure) => void failures.push(failure),
    ...options,
  })
  return { modules, module: modules[0]!, failures }
}

export function handshake(headers: Record<string, string> = {}, url = '/', log: Logger = silent): HandshakeContext {
  return new HandshakeContext({
    request: { url, rawHeaders: Object.entries({ host: 'localhost', ...headers }).flat() },
    path: '/',
    params: {},
    ip: '127.0.0.1',
    cluster: noCluster,
    log,
    signal: () => new AbortController().signal,
  })
}

function sizeOf(bytes: Buffer, at: number): [length: number, start: number] {
  const length = bytes[at + 1]!
  if (length < 126) return [length, at + 2]
  return length === 126 ? [bytes.readUInt16BE(at + 2), at + 4] : [Number(bytes.readBigUInt64BE(at + 2)), at + 10]
}
