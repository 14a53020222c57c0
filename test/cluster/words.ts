import type { Driver } from '../../src/drivers/driver.ts'
import type { PushIds } from '../../src/drivers/push-ids.ts'
import type { Queue } from '../../src/drivers/queue.ts'
import type { State } from '../../src/drivers/state.ts'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import type { PushId, Uid } from '../../src/envelope/ids.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { defineModule } from '../../src/index.ts'

/** A module that lets every client in as the user it says it is. */
export const trusting = defineModule('/ws', {
  handshake: (ctx) => void (ctx.uid = new URL(ctx.request.url).searchParams.get('uid')!),
})

let seq = 0
/**
 * The batch of one push to these users, as from a publisher that looked them up long ago.
 *
 * @param resent whether it is a copy that another node sends after its users
 */
export function pushesTo(uids: readonly string[], text: string, { resent = false } = {}): Uint8Array {
  const batch = ++seq
  const envelopes = uids.map((uid, index) => {
    const to = { type: 'users' as const, users: [{ uid: uid as Uid, stamp: 1 }] }
    const id = `test-${batch}-${index}` as PushId
    const push = { type: 'push' as const, id, to, payload: encodePayload(text), hops: 0, resent }
    return { ...push, except: undefined, key: undefined }
  })
  return binaryCodec.encode({ publisher: 'test', seq: batch, envelopes })
}

function withCalls<T extends object>(handle: T, calls: Partial<T>): T {
  return new Proxy(handle, {
    get: (target, name) => {
      const own: unknown = Reflect.get(calls, name)
      if (own !== undefined) return own
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? (member.bind(target) as unknown) : member
    },
  })
}

/** A driver with some of its calls replaced. */
export function driverWith(
  driver: Driver,
  calls: { state?: Changed<State>; queue?: Changed<Queue & PushIds> },
): Driver {
  const changed = <T extends object>(handle: T, change: Changed<T> | undefined): T =>
    change === undefined ? handle : withCalls(handle, change(handle))
  return {
    state: (settings) => changed(driver.state(settings), calls.state),
    queue: (settings) => changed(driver.queue(settings), calls.queue),
  }
}

type Changed<T> = (handle: T) => Partial<T>
