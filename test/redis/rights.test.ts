import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { startReplicaPair } from '../support/redis-sentinel.ts'
import { atEnd, client, startEmitter, startServer } from './stage.ts'

test('a user with the rights that docs/redis.md lists can do everything that Flotilla needs', async (t) => {
  const doc = await readFile(new URL('../../docs/redis.md', import.meta.url), 'utf8')
  const [, rules = ''] = /^ACL SETUSER flotilla (.*)$/m.exec(doc) ?? []
  const pair = await startReplicaPair()
  atEnd(t, () => pair.stop())
  const raw = new Redis(pair.master.url)
  atEnd(t, () => raw.disconnect())
  await raw.call('ACL', 'SETUSER', 'flotilla', ...rules.split(' '))
  await raw.call('ACL', 'SETUSER', 'default', 'on')
  await raw.call('ACL', 'LOG', 'RESET')

  const store = { url: `redis://flotilla:PASSWORD@127.0.0.1:${pair.master.port}`, durability: 'replicated' } as const
  const [a, b] = [await startServer(t, store), await startServer(t, store)]
  const u = await client(t, a, 'uid=u&group=g')
  const emitter = startEmitter(t, store)
  await emitter.push({ uid: 'u' }, '1', { id: 'one' })
  await b.cluster.push({ group: 'g' }, '2')
  await b.cluster.push({ all: true }, '3')
  await emitter.push({ connection: (await emitter.connections('u'))[0]!.connection }, '4')
  assert.equal((await b.cluster.members('g')).memberCount, 1)
  assert.equal(await b.cluster.disconnect({ uid: 'u' }), 1)
  await u.closed
  await a.close()
  await b.close()
  assert.deepEqual(await raw.call('ACL', 'LOG'), [])
})
