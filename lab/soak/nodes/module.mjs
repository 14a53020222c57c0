// The module that the clients of the soak connect to. It only executes their commands, so they decide what happens.
import { defineModule } from 'flotilla'

const FLOOD = 'x'.repeat(64 * 1024)

export const soak = defineModule('/soak', {
  handshake(ctx) {
    const { searchParams } = ctx.url
    const uid = searchParams.get('uid')
    if (uid !== null) ctx.uid = uid
    for (const group of searchParams.getAll('group')) ctx.groups.add(group)
  },
  commands: {
    join: { run: ({ join, data }) => join(String(data)) },
    leave: { run: ({ leave, data }) => leave(String(data)) },
    login: { run: ({ connection, cluster, data }) => cluster.register(connection, String(data)) },
    logout: { run: ({ connection, cluster }) => cluster.logout(connection) },
    push: {
      run({ cluster, data }) {
        const { to, message, options } =
          /** @type {{ to: import('flotilla').Target, message: import('flotilla').Message, options?: import('flotilla').PushOptions }} */ (
            data
          )
        return cluster.push(to, message, options)
      },
    },
    // Sends more than the node holds back for a client that does not read.
    flood: {
      run({ cluster, connection }) {
        for (let count = 0; count < 100; count++) void cluster.push({ connection: connection.id }, FLOOD)
      },
    },
  },
})
