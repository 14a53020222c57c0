import { setTimeout as sleep } from 'node:timers/promises'
import { canSkewClocks, type ClockSkew } from '../rig/clock-skew.ts'
import { storeKinds } from '../store-kind.ts'
import { type Fault, secondsOf, slotsOf } from './fault.ts'

const skews: readonly { skew: ClockSkew; is: string }[] = [
  { skew: '+3600', is: 'an hour ahead' },
  { skew: '-3600', is: 'an hour behind' },
  { skew: '+0 x10', is: 'ten times too fast' },
]

const wrongClock: Fault = {
  name: 'wrong-clock',
  stores: storeKinds,
  lacks: canSkewClocks ? undefined : "libfaketime: install Debian's package faketime",
  plan(random, frame) {
    const slot = random.pick(slotsOf(frame))
    const { skew, is } = random.pick(skews)
    const wrongFor = random.between(1, 2.5) * frame.deadAfter
    return {
      slots: [slot],
      detail: `n${slot} starts again with a clock ${is}, for ${secondsOf(wrongFor)}`,
      async run(stage) {
        await stage.node(slot).stop()
        await stage.node(slot).start(skew)
        await sleep(wrongFor)
        await stage.node(slot).stop()
        await stage.node(slot).start()
      },
    }
  },
}

export const clockFaults: readonly Fault[] = [wrongClock]
