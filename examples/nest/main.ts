// Flotilla on the same port as a Nest application. In a project with Nest and flotilla: npx tsx main.ts
import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Flotilla } from './flotilla.ts'
import { Greetings } from './greetings.ts'
import { Inbox } from './inbox.ts'
import { NotifyController } from './notify-controller.ts'

@Module({ controllers: [NotifyController], providers: [Flotilla, Greetings, Inbox] })
class App {}

const app = await NestFactory.create(App)
// Without this, Nest calls the hooks below only for `app.close()`, and not for SIGTERM.
app.enableShutdownHooks()
await app.listen(Number(process.env['PORT'] ?? 18308), '127.0.0.1')
console.log(`listening on ${await app.getUrl()}`)
