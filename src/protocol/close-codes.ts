/** Close codes that Flotilla sends: the standard's own (RFC 6455 §7.4.1) and ours from the private range. */
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
