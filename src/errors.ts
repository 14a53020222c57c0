// The table of all error codes. `docs/errors.md` lists the same codes, and a test compares the two.

import { Brand } from './lib/brand.ts'

interface ErrorKind {
  /** The HTTP status of an answer with this error. */
  readonly status: number
  /** Whether the same call may succeed if it is repeated later, unchanged. */
  readonly retry: boolean
}

const kinds = {
  FLT_BAD_TARGET: { status: 400, retry: false },
  FLT_BAD_MESSAGE: { status: 400, retry: false },
  FLT_BAD_ID: { status: 400, retry: false },
  FLT_BAD_REQUEST: { status: 400, retry: false },
  FLT_BAD_OPTION: { status: 500, retry: false },
  FLT_NOT_SHARED: { status: 500, retry: false },
  FLT_BAD_MODULE: { status: 500, retry: false },
  FLT_BAD_ENVELOPE: { status: 500, retry: false },
  FLT_BAD_HANDSHAKE: { status: 400, retry: false },
  FLT_BAD_VERSION: { status: 426, retry: false },
  FLT_UPGRADE_REQUIRED: { status: 426, retry: false },
  FLT_TOO_MANY_HEADERS: { status: 431, retry: false },
  FLT_UNAUTHORIZED: { status: 401, retry: false },
  FLT_FORBIDDEN: { status: 403, retry: false },
  FLT_NOT_FOUND: { status: 404, retry: false },
  FLT_BAD_METHOD: { status: 405, retry: false },
  FLT_BAD_CONTENT_TYPE: { status: 415, retry: false },
  FLT_PATH_TOO_LONG: { status: 414, retry: false },
  FLT_TOO_LARGE: { status: 413, retry: false },
  FLT_TOO_MANY: { status: 429, retry: true },
  FLT_ID_REUSED: { status: 409, retry: false },
  FLT_PUSH_PENDING: { status: 409, retry: true },
  FLT_OVERLOADED: { status: 503, retry: true },
  FLT_INBOX_FULL: { status: 503, retry: true },
  FLT_INBOX_BEHIND: { status: 503, retry: true },
  FLT_STORE_AWAY: { status: 503, retry: true },
  FLT_TIMEOUT: { status: 503, retry: true },
  FLT_KEYS_AWAY: { status: 503, retry: true },
  FLT_CLOSED: { status: 503, retry: false },
  FLT_INTERNAL: { status: 500, retry: false },
  FLT_BAD_JSON: { status: 400, retry: false },
  FLT_UNKNOWN_COMMAND: { status: 404, retry: false },
  FLT_INVALID_DATA: { status: 400, retry: false },
  FLT_HANDLER_FAILED: { status: 500, retry: false },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof kinds
export const errorCodes = Object.keys(kinds) as ErrorCode[]

const brand = new Brand('error')

/**
 * The error that Flotilla throws. It has a stable code, a message that says what to do, and the cause, if there is one.
 */
export class FlotillaError extends Error {
  static {
    brand.put(this.prototype)
  }

  /** @internal `instanceof FlotillaError` holds for the errors of every copy of this package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return this === FlotillaError ? brand.isOn(value) : Function.prototype[Symbol.hasInstance].call(this, value)
  }

  override readonly name = 'FlotillaError'
  readonly code: ErrorCode
  /** Details for programs, such as the nodes that did store a push. Clients never see them. */
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options?: ErrorOptions & { details?: Readonly<Record<string, unknown>> | undefined },
  ) {
    super(message, options)
    this.code = code
    this.details = options?.details
  }

  /** The HTTP status of an answer with this error. */
  get status(): number {
    return kindOf(this.code).status
  }

  /** Whether the same call may succeed if it is repeated later, unchanged. */
  get retry(): boolean {
    return kindOf(this.code).retry
  }

  /** The body of an HTTP answer. It never has the stack or the cause, which belong in the log. */
  toJSON(): { error: { code: ErrorCode; message: string } } {
    return { error: { code: this.code, message: this.message } }
  }
}

/** Whether a value is a `FlotillaError`, of this or of another copy of the package. */
export function isFlotillaError(error: unknown): error is FlotillaError {
  return brand.isOn(error)
}

/** Another copy of the package may be newer, and have a code that this one does not know. */
function kindOf(code: string): ErrorKind {
  return Object.hasOwn(kinds, code) ? kinds[code as ErrorCode] : kinds.FLT_INTERNAL
}

/**
 * The error as a client may see it. An error that the client did not cause may mention internals, hosts or other
 * people's data. The client then gets `otherwise` instead, or is told to try again if that may help.
 */
export function tellable(error: unknown, otherwise: FlotillaError): FlotillaError {
  if (!isFlotillaError(error)) return otherwise
  if (error.status < 500) return error
  return error.retry ? new FlotillaError(error.code, 'not possible right now: try again later') : otherwise
}
