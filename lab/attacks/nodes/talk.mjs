// A module with commands, beside /echo: the node parses everything that a client sends to it.
import { defineModule } from 'flotilla'

export const talk = defineModule('/talk/:room', { commands: { say: { run: ({ data }) => data } } })
