import { type ErrorCode, FlotillaError } from '../errors.ts'

/** The client's mistake, not ours: it is told, and nobody is woken. */
export class RequestError extends FlotillaError {
  /** Of the request, where it could be read: its sender waits for a reply. */
  readonly id: string | number | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions & { id?: string | number | undefined } = {}) {
    super(code, message, options)
    this.id = options.id
  }
}
