// What every node under test serves. Who a client is, its URL says: --dev believes it.
import { defineModule } from 'flotilla'

const group = ({ data }) => String(data.group)

export const chaos = defineModule('/chaos', {
  open: (ctx) => void ctx.send(`@${ctx.cluster.self} ${ctx.connection.id}`),
  commands: {
    join: { run: async (ctx) => (await ctx.join(group(ctx)), true) },
    leave: { run: async (ctx) => (await ctx.leave(group(ctx)), true) },
  },
})
