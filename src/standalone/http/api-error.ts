import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { FlotillaError, isFlotillaError, type Logger } from '../../index.ts'

/** The error that a caller may see. The log has the details of an unexpected one. */
export function publicError(error: unknown, logger: Logger): FlotillaError {
  if (isFlotillaError(error)) {
    if (error.status >= 500) logger.warn({ error }, 'an API call failed')
    return error
  }
  logger.error({ error }, 'an API call failed unexpectedly')
  return new FlotillaError('FLT_INTERNAL', 'something went wrong on the server; its log says what')
}

export function answerError(c: Context, error: FlotillaError): Response {
  if (error.status === 401) c.header('WWW-Authenticate', 'Bearer')
  if ([429, 503].includes(error.status) && error.retry) c.header('Retry-After', '1')
  return c.json(error, error.status as ContentfulStatusCode)
}

/** Answers 405, with the methods that the path has. */
export function answerBadMethod(c: Context, methods: readonly string[]): Response {
  c.header('Allow', methods.join(', '))
  const message = `${c.req.path} does not take ${c.req.method}: use ${methods.join(' or ')}`
  return answerError(c, new FlotillaError('FLT_BAD_METHOD', message))
}

export function badRequest(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_REQUEST', message)
}
