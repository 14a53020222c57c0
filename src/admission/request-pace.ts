import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/**
 * Handles one request in each turn of the event loop while many sockets are there, in the order in which they came. A turn
 * accepts one connection, so if it handled the requests of hundreds of busy clients, others could hardly connect any more.
 * Otherwise they are handled at once: a turn for each takes half as long again.
 */
export function paceRequests(listener: RequestListener, isCrowded: () => boolean): RequestListener {
  const waiting: [IncomingMessage, ServerResponse][] = []
  let isTaken = false
  const nextTurn = (): void => {
    isTaken = false
    const next = waiting.shift()
    if (next !== undefined) handle(...next)
  }
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (!isTaken) setImmediate(nextTurn)
    isTaken = true
    // Its client may have gone while it waited.
    if (!response.destroyed) listener(request, response)
  }
  return (request, response) => {
    if (waiting.length > 0 || (isTaken && isCrowded())) waiting.push([request, response])
    else handle(request, response)
  }
}
