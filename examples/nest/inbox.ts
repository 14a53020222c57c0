import { Inject, Injectable } from '@nestjs/common'
import { type HandshakeContext, OnHandshake, OnOpen, type OpenContext, WsModule } from 'flotilla'
import { Greetings } from './greetings.ts'

type Path = '/ws/:uid'

@Injectable()
@WsModule('/ws/:uid')
export class Inbox {
  readonly #greetings: Greetings

  constructor(@Inject(Greetings) greetings: Greetings) {
    this.#greetings = greetings
  }

  @OnHandshake() whoIsIt(ctx: HandshakeContext<Path>): void {
    ctx.uid = ctx.params.uid
  }

  @OnOpen() open(ctx: OpenContext<Path>): void {
    ctx.send(this.#greetings.for(ctx.params.uid))
  }
}
