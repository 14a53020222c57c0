import type { Server } from 'flotilla'

declare global {
  var flotilla: Server | undefined
}
