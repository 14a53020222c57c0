// What must not compile. Each @ts-expect-error is a promise of the types.
import { createServer, defineModule, MessageMapping, OnOpen, type MessageContext, type Schema } from 'flotilla'
declare const Say: Schema<{ text: string }>
const { cluster } = createServer({ modules: [] })
declare const maybe: string | undefined
// @ts-expect-error undefined uid must not mean everyone
cluster.transport('secret', maybe)
// @ts-expect-error same
cluster.push({ uid: maybe }, 'secret')
// @ts-expect-error two targets
cluster.push({ uid: 'a', group: 'b' }, 'x')
// @ts-expect-error no target
cluster.push({}, 'x')
// @ts-expect-error undefined message
cluster.push({ uid: 'a' }, undefined)
interface Order {
  id: string
  at: Date
}
declare const order: Order
cluster.push({ uid: 'a' }, order)
cluster.transport('to all')
cluster.transport('x', 'u')
cluster.transport('x', ['u', 'v'])
export class Bad {
  // @ts-expect-error an open hook gets no data
  @OnOpen() a(ctx: MessageContext<string>) {
    void ctx
  }
  // @ts-expect-error handler differs from schema
  @MessageMapping('x', { data: Say }) b(ctx: MessageContext<{ other: number }>) {
    void ctx
  }
  // @ts-expect-error forgotten parentheses
  @OnOpen c() {}
}
defineModule('/a/:x/b/:y', {
  open(ctx) {
    const s: string = ctx.params.x + ctx.params.y
    // @ts-expect-error no such param
    ctx.params.z
    return s
  },
  commands: {
    c: {
      data: Say,
      run(ctx) {
        // @ts-expect-error no such field
        return ctx.data.txt
      },
    },
  },
})
// @ts-expect-error unknown event
cluster.on('registered', () => {})
