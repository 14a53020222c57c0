// One process under test: `node node.mjs SYSTEM SETTINGS`, SETTINGS as JSON. It tells its parent the ports it listens on,
// then does what it is asked over the IPC channel, and ends with it.
import { setTimeout as sleep } from 'node:timers/promises'
import { stamp } from './message.mjs'
import { publish } from './publication.mjs'

const [, , system, settings] = process.argv
const { start } = await import(`./systems/${system}.mjs`)
const { ports = [], push, calls: ownCalls } = await start(JSON.parse(settings))

const calls = {
  publish: (plan) => publish(push, plan),
  /** Lone pushes, each long after the one before: to one user after another, or to everyone. */
  pushAlone: async ({ count, pause, users = 0 }) => {
    for (let i = 0; i < count; i++) {
      await push(users === 0 ? undefined : `u${i % users}`, stamp())
      await sleep(pause)
    }
    return {}
  },
  collectGarbage: () => {
    for (let i = 0; i < 3; i++) globalThis.gc()
    return {}
  },
  ...ownCalls,
}

process.on('message', async ({ id, call, plan }) => {
  try {
    process.send({ id, result: await calls[call](plan) })
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) })
  }
})
// With process.exit, so that a CPU profile is written.
process.on('disconnect', () => process.exit(0))
process.send({ ports })
