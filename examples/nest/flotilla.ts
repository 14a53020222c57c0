import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { HttpAdapterHost } from '@nestjs/core'
import { type Cluster, createServer, type Server } from 'flotilla'
import { Inbox } from './inbox.ts'

/** The server as a provider: inject it to push. */
@Injectable()
export class Flotilla implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #server: Server
  readonly #adapter: HttpAdapterHost

  constructor(@Inject(Inbox) inbox: Inbox, @Inject(HttpAdapterHost) adapter: HttpAdapterHost) {
    // A module may be an instance, so Nest makes it, with everything that it injects.
    this.#server = createServer({ modules: [inbox] })
    this.#adapter = adapter
  }

  get cluster(): Cluster {
    return this.#server.cluster
  }

  /** The HTTP server does not exist before that. */
  onApplicationBootstrap(): void {
    this.#server.attach(this.#adapter.httpAdapter.getHttpServer())
  }

  /** Nest closes its HTTP server after this, and calls `onApplicationShutdown` only when that has closed. */
  beforeApplicationShutdown(): Promise<void> {
    return this.#server.close()
  }
}
