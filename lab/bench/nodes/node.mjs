// One process under test: `node node.mjs SYSTEM SETTINGS`, with SETTINGS as JSON. It tells its parent which ports it
// listens on, then obeys requests on the IPC channel. It ends when the channel closes.
import { setTimeout as sleep } from 'node:timers/promises'
import { stamp } from './message.mjs'
import { publish } from './publication.mjs'
import { Standstill } from './standstill.mjs'

const [, , system, settings] = process.argv
const { start } = await import(`./systems/${system}.mjs`)
const { ports = [], push, pushToGroup, calls: ownCalls } = await start(JSON.parse(settings))

/** Makes one push: to everyone, to one of several users in turn, or to a group. */
const pusherFor = ({ users = 0, group }) => {
  if (group !== undefined) return (_index, t) => pushToGroup(group, t)
  const uids = Array.from({ length: users }, (_, index) => `u${index}`)
  return (index, t) => push(uids[index % users], t)
}

/** @type {Standstill | undefined} */
let standstill
/** @type {AbortController | undefined} */
let pushing
const stoppable = () => {
  pushing = new AbortController()
  return pushing.signal
}

const calls = {
  publish: (plan) => publish(pusherFor(plan), plan, stoppable()),
  /** Makes one push at a time, to one user after another, to a group, or to everyone, and pauses after each receipt. */
  pushAlone: async (plan) => {
    const pushOne = pusherFor(plan)
    const signal = stoppable()
    let sent = 0
    while (sent < plan.count && !signal.aborted) {
      await pushOne(sent++, stamp())
      if (plan.pause > 0) await sleep(plan.pause)
    }
    return { sent }
  },
  /** Ends the current publication early. It still answers with its result. */
  stopPushing: () => {
    pushing?.abort()
    return {}
  },
  collectGarbage: () => {
    for (let i = 0; i < 3; i++) globalThis.gc()
    return {}
  },
  beginStandstill: () => (standstill ??= new Standstill()).begin(),
  longestStandstill: () => standstill?.longest ?? 0,
  ...ownCalls,
}

process.on('message', async ({ id, call, plan }) => {
  try {
    process.send({ id, result: await calls[call](plan) })
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) })
  }
})
// Ends by process.exit, because otherwise no CPU profile is written.
process.on('disconnect', () => process.exit(0))
process.send({ ports })
