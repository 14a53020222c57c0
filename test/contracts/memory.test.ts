import { memory } from '../../src/drivers/memory/memory.ts'
import { stateContract } from './state.ts'

const driver = memory()

stateContract('memory', () => ({ driver }))
