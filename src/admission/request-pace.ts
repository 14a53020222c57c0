import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/**
 * While many sockets are open, handles one request in each turn of the event loop, in order of arrival. Node accepts
 * one connection per turn, so if a turn handled the requests of hundreds of busy clients, new clients could hardly
 * connect. While few are open, requests are handled at once, because a turn for each takes half as long again.
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
    // The client may have disconnected while its request waited.
    if (!response.destroyed) listener(request, response)
  }
  return (request, response) => {
    if (waiting.length > 0 || (isTaken && isCrowded())) waiting.push([request, response])
    else handle(request, response)
  }
}
