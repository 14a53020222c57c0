import type { HandshakeContext, Middleware } from '../../index.ts'
import type { Config } from './config-check.ts'
import { handshakeMiddleware } from './identity.ts'

/** The middleware of every handshake, as the settings have it now: `use` changes it for handshakes that begin later. */
export class LiveHandshake {
  #steps: readonly Middleware<HandshakeContext>[] = []

  constructor(config: Config) {
    this.use(config)
  }

  readonly middleware: Middleware<HandshakeContext> = (ctx, next) => {
    const steps = this.#steps
    const run = async (index: number): Promise<unknown> => {
      const step = steps[index]
      return step === undefined ? await next() : await step(ctx, () => run(index + 1))
    }
    return run(0)
  }

  use(config: Config): void {
    this.#steps = handshakeMiddleware(config)
  }
}
