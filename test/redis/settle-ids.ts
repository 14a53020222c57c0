// Reserves and settles push ids: `settle-ids.ts URL COUNT [OFFLINE]`. It has a process of its own because node:test
// follows each promise of its process, which takes as long again as all else.
import { randomUUID } from 'node:crypto'
import { redis } from '../../src/drivers/redis/redis.ts'
import { silent } from '../../src/logger.ts'
import { settled } from './settled.ts'
import { TIMES } from './stage.ts'

const AT_ONCE = 1_000

const [url = '', count = '', ...offline] = process.argv.slice(2)
const queue = redis({ url }).queue({ prefix: 'flotilla', ...TIMES, maxInboxBytes: 1e6, logger: silent })
for (let done = 0; done < Number(count); done += AT_ONCE) {
  await Promise.all(Array.from({ length: AT_ONCE }, () => settled(queue, randomUUID(), offline)))
}
await queue.close()
