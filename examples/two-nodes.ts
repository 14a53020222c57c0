// A cluster of two nodes, in one process: npx tsx examples/two-nodes.ts
import { createServer, defineModule, memory } from 'flotilla'
import { connect } from 'flotilla/testing'

const inbox = defineModule('/inbox/:uid', {
  handshake(ctx) {
    ctx.uid = ctx.params.uid
  },
})

const driver = memory()
const a = createServer({ modules: [inbox], driver, name: 'a' })
const b = createServer({ modules: [inbox], driver, name: 'b' })
await a.listen(0)
const url = await b.listen(0)

const phone = await connect(`${url}/inbox/u1`)
const { nodeCount, offline } = await a.cluster.push({ uid: ['u1', 'u2'] }, 'hello from the other node')
console.log(await phone.next(), { nodeCount, offline })

phone.close()
await a.close()
await b.close()
