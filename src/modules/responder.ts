import type { Connection } from '../api.ts'
import { FlotillaError, tellable } from '../errors.ts'
import type { Answer, ParsedMessage, Parser } from '../wire/parsers.ts'
import { RequestError } from '../wire/request-error.ts'
import type { Handler } from './compose.ts'
import { MessageContext, type Services } from './contexts.ts'

export interface ResponderInit {
  readonly parser: Parser
  readonly find: (command: string) => Handler<MessageContext>
  /** The module expects no messages, so it sends no error for a message that fails. */
  readonly quiet: boolean
  readonly services: Services
  /** MUST NOT throw. */
  onError(error: unknown, connection: Connection): void
}

/** Handles the messages of one module: decodes each message, runs its handler and sends the answer. */
export class Responder {
  readonly #init: ResponderInit

  constructor(init: ResponderInit) {
    this.#init = init
  }

  /** Never rejects. A failure is sent to the client; if it is not the client's fault, `onError` gets it, too. */
  async respond(connection: Connection, raw: string | Uint8Array): Promise<void> {
    const message = this.#decode(connection, raw)
    if (message === undefined) return
    const { command: cmd, id } = message
    try {
      const ctx = new MessageContext(connection, this.#init.services, message, raw)
      const data = await this.#init.find(cmd)(ctx)
      if (data !== undefined || id !== undefined) this.#send(connection, { id, cmd, data: data ?? null })
    } catch (error) {
      if (!(error instanceof RequestError)) this.#init.onError(error, connection)
      this.#refuse(connection, { id, cmd, error: forClient(error, FAILED) })
    }
  }

  #decode(connection: Connection, raw: string | Uint8Array): ParsedMessage | undefined {
    try {
      return this.#init.parser.decode(raw)
    } catch (error) {
      const id = error instanceof RequestError ? error.id : undefined
      this.#refuse(connection, { id, cmd: '', error: forClient(error, UNREADABLE) })
      return undefined
    }
  }

  #refuse(connection: Connection, answer: Answer): void {
    if (this.#init.quiet) return
    try {
      this.#send(connection, answer)
    } catch (error) {
      this.#init.onError(error, connection)
    }
  }

  #send(connection: Connection, answer: Answer): void {
    const message = this.#init.parser.encode(answer)
    if (message !== undefined) connection.send(message)
  }
}

const FAILED = new FlotillaError('FLT_HANDLER_FAILED', 'the handler of this message failed')
const UNREADABLE = new FlotillaError('FLT_BAD_REQUEST', 'the message cannot be read')

function forClient(error: unknown, otherwise: FlotillaError): { code: string; message: string } {
  const { code, message } = tellable(error, otherwise)
  return { code, message }
}
