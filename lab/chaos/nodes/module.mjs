// The module that every node under test serves. A client gives its user and its groups in the URL, which --dev trusts.
import { defineModule } from 'flotilla'

const group = ({ data }) => String(data.group)

export const chaos = defineModule('/chaos', {
  open: (ctx) => void ctx.send(`@${ctx.cluster.self} ${ctx.connection.id}`),
  commands: {
    join: { run: async (ctx) => (await ctx.join(group(ctx)), true) },
    leave: { run: async (ctx) => (await ctx.leave(group(ctx)), true) },
  },
})
