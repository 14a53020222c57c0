import { Body, Controller, HttpCode, Inject, Param, Post } from '@nestjs/common'
import type { Message, Receipt } from 'flotilla'
import { Flotilla } from './flotilla.ts'

@Controller('notify')
export class NotifyController {
  readonly #flotilla: Flotilla

  constructor(@Inject(Flotilla) flotilla: Flotilla) {
    this.#flotilla = flotilla
  }

  @Post(':uid')
  @HttpCode(200)
  notify(@Param('uid') uid: string, @Body() message: Message): Promise<Receipt> {
    return this.#flotilla.cluster.push({ uid }, message)
  }
}
