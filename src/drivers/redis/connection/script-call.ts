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

  /** @param replyEncoding null for bytes */
  call(keys: readonly string[], args: readonly (string | Buffer)[], replyEncoding: 'utf8' | null = 'utf8'): ScriptCall {
    let text = `*${3 + keys.length + args.length}\r\n${this.#head}${bulk(String(keys.length))}`
    for (const key of keys) text += bulk(key)
    const parts: Buffer[] = []
    for (const arg of args) {
      if (typeof arg === 'string') {
        text += bulk(arg)
        continue
      }
      parts.push(Buffer.from(`${text}$${arg.length}\r\n`), arg)
      text = '\r\n'
    }
    const bytes = parts.length === 0 ? text : Buffer.concat([...parts, Buffer.from(text)])
    return new ScriptCall(bytes, keys[0]!, replyEncoding)
  }
}

/**
 * One call, serialized when it is made. For its own scripts, ioredis makes three more promises and copies the arguments
 * three times.
 */
export class ScriptCall extends Command {
  readonly #bytes: string | Buffer
  /** One of the keys of the call, which all share a slot. */
  readonly key: string

  constructor(bytes: string | Buffer, key: string, replyEncoding: 'utf8' | null) {
    super('evalsha', [], { replyEncoding })
    this.#bytes = bytes
    this.key = key
  }

  override getSlot(): number {
    return slotOf(this.key)
  }

  override toWritable(): string | Buffer {
    return this.#bytes
  }
}

/** A bulk string (RESP: Bulk strings). */
function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}
