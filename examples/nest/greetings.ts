import { Injectable, type OnApplicationShutdown } from '@nestjs/common'

@Injectable()
export class Greetings implements OnApplicationShutdown {
  for(name: string): string {
    return `welcome, ${name}`
  }

  onApplicationShutdown(): void {
    console.log('shut down')
  }
}
