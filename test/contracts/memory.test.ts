import { memory } from '../../src/drivers/memory/memory.ts'
import { queueContract } from './queue.ts'
import { stateContract } from './state.ts'

const driver = memory()

stateContract('memory', () => ({ driver }))
queueContract('memory', () => ({ driver }))
