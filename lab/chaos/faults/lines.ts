import { setTimeout as sleep } from 'node:timers/promises'
import type { Trouble } from '../../../test/support/tcp-proxy.ts'
import type { Random } from '../../rig/random.ts'
import { type Fault, type Frame, nodeNames, secondsOf, slotsOf } from './fault.ts'

/** Disturbs lines between nodes and the store for a while. The line after those of the nodes belongs to the emitter. */
function bad(name: string, troubleOf: (random: Random, frame: Frame) => { trouble: Trouble; is: string }): Fault {
  return {
    name,
    stores: ['single'],
    plan(random, frame) {
      const lines = [...slotsOf(frame), frame.nodes]
      const chosen = random.some(lines, random.pick([1, 1, 2, lines.length]))
      const { trouble, is } = troubleOf(random, frame)
      const badFor = random.pick([0.3, 0.8, 1.2, 2]) * frame.deadAfter
      return {
        slots: chosen,
        detail: `${is} between the store and ${lineNames(chosen, frame)}, for ${secondsOf(badFor)}`,
        async run(stage) {
          for (const slot of chosen) stage.line(slot).trouble(trouble)
          await sleep(badFor)
          for (const slot of chosen) stage.line(slot).heal()
        },
      }
    },
  }
}

const slow = bad('slow-line', (random) => {
  const delay = random.int(20, 150)
  const slice = random.pick([0, 7, 300])
  return { trouble: { delay, slice }, is: `${delay} ms each way${slice > 0 ? `, in slices of ${slice} bytes,` : ''}` }
})

const hole = bad('black-hole', () => ({ trouble: { isHeld: true }, is: 'nothing passes' }))

const refused = bad('refused-line', () => ({ trouble: { refuses: true, swallowsReplies: true }, is: 'no connection' }))

const swallow = bad('lost-replies', () => ({ trouble: { swallowsReplies: true }, is: 'no reply comes back' }))

const cut: Fault = {
  name: 'cut',
  stores: ['single'],
  plan(random, frame) {
    const lines = [...slotsOf(frame), frame.nodes]
    const chosen = random.some(lines, random.pick([1, 2, lines.length]))
    const times = random.int(1, 5)
    const pause = random.between(50, 1_000)
    return {
      slots: chosen,
      detail: `the line to the store of ${lineNames(chosen, frame)} is cut, ${times} times`,
      async run(stage) {
        for (let time = 0; time < times; time++) {
          for (const slot of chosen) stage.line(slot).cut()
          await sleep(pause)
        }
      },
    }
  },
}

function lineNames(slots: readonly number[], { nodes }: Frame): string {
  const names = slots.filter((slot) => slot < nodes)
  return [...(names.length > 0 ? [nodeNames(names)] : []), ...(slots.includes(nodes) ? ['the emitter'] : [])].join(', ')
}

export const lineFaults: readonly Fault[] = [slow, hole, refused, swallow, cut]
