import { type ErrorCode, FlotillaError } from '../errors.ts'

/** An error that the client caused. The client is told, and `onError` is not called. */
export class RequestError extends FlotillaError {
  /** The id of the request, if it could be read: the client waits for a reply with this id. */
  readonly id: string | number | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions & { id?: string | number | undefined } = {}) {
    super(code, message, options)
    this.id = options.id
  }
}
