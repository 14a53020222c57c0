// Beside /echo, a module with commands: what a client sends there is parsed.
import { defineModule } from 'flotilla'

export const talk = defineModule('/talk/:room', { commands: { say: { run: ({ data }) => data } } })
