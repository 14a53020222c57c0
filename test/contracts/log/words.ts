import type { Append, Appended, Channel, Keep, KeptMessage, Log, LogPosition, Page } from '../../../src/drivers/log.ts'
import { asGroup, asPushId, asUid } from '../stage.ts'

export const MINUTE = 60_000
export const KEEP: Keep = { last: 1_000, for: 10 * MINUTE }

export const mailbox = (uid: string): Channel => ({ type: 'user', uid: asUid(uid) })
export const groupLog = (group: string): Channel => ({ type: 'group', group: asGroup(group) })

export function textMessage(text: string, more: Partial<KeptMessage> = {}): KeptMessage {
  return { id: asPushId(`id ${text.slice(0, 20)}`), payload: new TextEncoder().encode(text), ...more }
}

export function appendOf(
  channel: Channel,
  text: string,
  keep: Partial<Keep> = {},
  more?: Partial<KeptMessage>,
): Append {
  return { channel, keep: { ...KEEP, ...keep }, message: textMessage(text, more) }
}

/** Appends texts, one call for each. */
export async function appended(
  log: Log,
  channel: Channel,
  texts: readonly string[],
  keep?: Partial<Keep>,
  more?: Partial<KeptMessage>,
): Promise<Appended[]> {
  const answers: Appended[] = []
  for (const text of texts) answers.push(...(await log.append([appendOf(channel, text, keep, more)])))
  return answers
}

export const positionOf = ({ epoch, term, number }: LogPosition): LogPosition => ({ epoch, term, number })

export async function pageFrom(log: Log, channel: Channel, from = 1): Promise<Page> {
  return log.readLog(channel, { from, count: 1_000, bytes: 2 ** 22 })
}

/** "number text", each. */
export function rowsOf({ messages }: Page): string[] {
  return messages.map(({ number, payload }) => `${number} ${Buffer.from(payload).toString()}`)
}

export const textsUpTo = (count: number): string[] => Array.from({ length: count }, (_, index) => `m${index + 1}`)
