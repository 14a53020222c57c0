import { FlotillaError } from '../errors.ts'

/** The close codes that Flotilla sends: codes of RFC 6455 §7.4.1, and its own from the private range. */
export const CloseCode = {
  goingAway: 1001,
  protocolError: 1002,
  invalidPayload: 1007,
  policy: 1008,
  tooLarge: 1009,
  hookFailed: 1011,
  tryAgainLater: 1013,
  tokenExpired: 4401,
  kicked: 4403,
  tooSlow: 4408,
} as const

const MAX_REASON_BYTES = 123
const encoder = new TextEncoder()

/** @throws FlotillaError `FLT_BAD_REQUEST` if no close frame can hold the code or the reason (RFC 6455 §5.5.1, §7.4) */
export function checkClose(code: unknown, reason: unknown): void {
  if (!isSendable(code)) {
    throw new FlotillaError('FLT_BAD_REQUEST', `code ${String(code)} cannot be sent: give 1000, or 3000 to 4999`)
  }
  if (typeof reason !== 'string' || encoder.encode(reason).length > MAX_REASON_BYTES) {
    throw new FlotillaError('FLT_BAD_REQUEST', `reason must be a text of at most ${MAX_REASON_BYTES} bytes`)
  }
}

/** Private codes, and the standard's codes except 1004, 1005 and 1006, which no close frame may hold. */
function isSendable(code: unknown): boolean {
  if (typeof code !== 'number' || !Number.isInteger(code)) return false
  if (code >= 3000 && code <= 4999) return true
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)
}
