import { type ErrorCode, FlotillaError } from '../errors.ts'
import { Brand } from '../lib/brand.ts'

const brand = new Brand('request-error')

/** An error that the client caused. The client is told, and `onError` is not called. */
export class RequestError extends FlotillaError {
  static {
    brand.put(this.prototype)
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return this === RequestError ? brand.isOn(value) : super[Symbol.hasInstance](value)
  }

  /** The id of the request, if it could be read: the client waits for a reply with this id. */
  readonly id: string | number | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions & { id?: string | number | undefined } = {}) {
    super(code, message, options)
    this.id = options.id
  }
}
