import { createHash } from 'node:crypto'
import slotOf from 'cluster-key-slot'
import { Command } from 'ioredis'

/** A script that is called so often that the work of ioredis for each call matters. */
export class HotScript {
  readonly lua: string
  readonly sha: string
  readonly #head: string

  constructor(lua: string) {
    this.lua = lua
    this.sha = createHash('sha1').update(lua).digest('hex')
    this.#head = `$7\r\nEVALSHA\r\n${bulk(this.sha)}`
  }

  call(keys: readonly string[], args: readonly string[]): ScriptCall {
    let bytes = `*${3 + keys.length + args.length}\r\n${this.#head}${bulk(String(keys.length))}`
    for (const key of keys) bytes += bulk(key)
    for (const arg of args) bytes += bulk(arg)
    return new ScriptCall(bytes, keys[0]!)
  }
}

/**
 * One call, serialized when it is made. For its own scripts, ioredis makes three more promises and copies the arguments
 * three times.
 */
export class ScriptCall extends Command {
  readonly #bytes: string
  /** One of the keys of the call, which all share a slot. */
  readonly #key: string

  constructor(bytes: string, key: string) {
    super('evalsha', [], { replyEncoding: 'utf8' })
    this.#bytes = bytes
    this.#key = key
  }

  override getSlot(): number {
    return slotOf(this.#key)
  }

  override toWritable(): string {
    return this.#bytes
  }
}

/** A bulk string (RESP: Bulk strings). */
function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}
