import type { Scenario } from './scenario.ts'
import { w1 } from './w1.ts'
import { w2 } from './w2.ts'

export const scenarios: readonly Scenario[] = [w1, w2]
