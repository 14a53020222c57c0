import type { Scenario } from './scenario.ts'
import { w1 } from './w1.ts'
import { w2 } from './w2.ts'
import { w3 } from './w3.ts'
import { w4 } from './w4.ts'
import { w5 } from './w5.ts'
import { w6 } from './w6.ts'
import { w7 } from './w7.ts'
import { w11 } from './w11.ts'
import { w12 } from './w12.ts'
import { w13 } from './w13.ts'
import { w14 } from './w14.ts'

export const scenarios: readonly Scenario[] = [w1, w2, w3, w4, w5, w6, w7, w11, w12, w13, w14]
