import { setTimeout as sleep } from 'node:timers/promises'
import { storeKinds } from '../store-kind.ts'
import { type Fault, nodeNames, secondsOf, slotsOf } from './fault.ts'

const kill: Fault = {
  name: 'kill',
  stores: storeKinds,
  plan(random, frame) {
    const most = frame.nodes - 1
    const slots = random.some(slotsOf(frame), random.pick([1, 1, 1, Math.min(2, most), most]))
    const downFor = random.between(0, 2.5 * frame.deadAfter)
    return {
      slots,
      detail: `kill -9 of ${nodeNames(slots)}, down for ${secondsOf(downFor)}`,
      async run(stage) {
        await Promise.all(slots.map((slot) => stage.node(slot).kill9()))
        await sleep(downFor)
        await Promise.all(slots.map((slot) => stage.node(slot).start()))
      },
    }
  },
}

const pause: Fault = {
  name: 'pause',
  stores: storeKinds,
  plan(random, frame) {
    const slots = random.some(slotsOf(frame), random.pick([1, 1, 1, 2, frame.nodes - 1]))
    const times = random.pick([0.4, 0.9, 1.1, 1.5, 2.5])
    const pausedFor = times * frame.deadAfter
    return {
      slots,
      detail: `SIGSTOP of ${nodeNames(slots)} for ${secondsOf(pausedFor)}`,
      async run(stage) {
        for (const slot of slots) stage.node(slot).pause()
        await sleep(pausedFor)
        for (const slot of slots) stage.node(slot).resume()
      },
    }
  },
}

const pauseAndKill: Fault = {
  name: 'pause-kill',
  stores: storeKinds,
  plan(random, frame) {
    const [paused, killed] = random.some(slotsOf(frame), 2) as [number, number]
    const isSame = random.chance(0.4)
    const pausedFor = random.between(0.5, 2) * frame.deadAfter
    const killAt = random.between(0.2, 1) * pausedFor
    const slots = isSame ? [paused] : [paused, killed]
    return {
      slots,
      detail: isSame
        ? `SIGSTOP of n${paused}, kill -9 of it after ${secondsOf(killAt)}`
        : `SIGSTOP of n${paused} for ${secondsOf(pausedFor)}, kill -9 of n${killed} after ${secondsOf(killAt)}`,
      async run(stage) {
        stage.node(paused).pause()
        await sleep(killAt)
        await stage.node(isSame ? paused : killed).kill9()
        await sleep(pausedFor - killAt)
        if (!isSame) stage.node(paused).resume()
        await stage.node(isSame ? paused : killed).start()
      },
    }
  },
}

const rolling: Fault = {
  name: 'rolling-restart',
  stores: storeKinds,
  plan(random, frame) {
    const slots = random.shuffle(slotsOf(frame))
    const downFor = random.between(0, 500)
    return {
      slots,
      detail: `SIGTERM and a new start of ${nodeNames(slots)}, one after another`,
      async run(stage) {
        for (const slot of slots) {
          await stage.node(slot).stop()
          await sleep(downFor)
          await stage.node(slot).start()
        }
      },
    }
  },
}

/** The store has executed the node's appends and acks, but the node dies before it receives the replies. */
const killUnheard: Fault = {
  name: 'kill-before-ack',
  stores: ['single'],
  plan(random, frame) {
    const slot = random.pick(slotsOf(frame))
    const deafFor = random.between(20, 800)
    const downFor = random.between(0, 1.5) * frame.deadAfter
    return {
      slots: [slot],
      detail: `n${slot} hears nothing from the store for ${secondsOf(deafFor)}, then kill -9; down for ${secondsOf(downFor)}`,
      async run(stage) {
        stage.line(slot).trouble({ swallowsReplies: true })
        await sleep(deafFor)
        await stage.node(slot).kill9()
        stage.line(slot).heal()
        await sleep(downFor)
        await stage.node(slot).start()
      },
    }
  },
}

/** Waits afterwards until the nodes have caught up, which must take no longer than they were starved. */
export const starve: Fault = {
  name: 'starve',
  stores: storeKinds,
  plan(random, frame) {
    const slots = random.chance(0.5) ? [random.pick(slotsOf(frame))] : slotsOf(frame)
    const starvedFor = random.between(1, 2) * frame.deadAfter
    return {
      slots,
      detail: `${nodeNames(slots)} at a tenth of a core, for ${secondsOf(starvedFor)}`,
      async run(stage, window) {
        await Promise.all(slots.map((slot) => stage.node(slot).starve(starvedFor)))
        window.starved = { for: starvedFor, caughtUpAfter: await stage.inboxes.caughtUp(slots, starvedFor) }
      },
    }
  },
}

export const nodeFaults: readonly Fault[] = [kill, pause, pauseAndKill, rolling, killUnheard, starve]
