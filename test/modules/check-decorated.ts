// Checks that test/fixtures/decorated.ts works, however it was compiled. This file is also a program, which checks the
// compiled file that it is given.
import assert from 'node:assert/strict'
import { silent } from '../../src/logger.ts'
import { CloseContext, OpenContext } from '../../src/modules/contexts.ts'
import { Client, compile, handshake, noCluster } from './harness.ts'

export interface Decorated {
  readonly Base: new () => { readonly lines: string[] }
  readonly Derived: new () => { readonly lines: string[] }
}

export async function check({ Base, Derived }: Decorated): Promise<void> {
  const [base, derived] = [new Base(), new Derived()]
  const { modules, failures } = compile([base, derived])
  assert.deepEqual(
    modules.map(({ path }) => path),
    ['/base/:room', '/derived/:room'],
  )
  for (const module of modules) {
    const client = new Client({ room: 'red' })
    const services = { cluster: noCluster, log: silent }
    const ctx = handshake()
    assert.equal(await module.handshake(ctx), undefined)
    assert.equal(ctx.uid, 'u1')
    await module.open(new OpenContext(client.connection, services))
    await module.close(new CloseContext(client.connection, services, 1000, ''))
  }
  assert.deepEqual(base.lines, ['base handshake', 'base open red'])
  assert.deepEqual(derived.lines, ['base handshake', 'derived open red', 'derived close 1000'])
  const [one, other] = modules
  const client = new Client({ room: 'red' })
  assert.deepEqual(await client.ask(one!, { cmd: 'room.say', data: 'Hi' }), [{ cmd: 'room.say', data: 'you said Hi' }])
  assert.deepEqual(await client.ask(other!, { cmd: 'room.say', data: 'Hi' }), [
    { cmd: 'room.say', data: 'YOU SAID HI' },
  ])
  assert.deepEqual(await client.ask(other!, { cmd: 'room.whisper', data: 'Hi' }), [{ cmd: 'room.whisper', data: 'hi' }])
  assert.deepEqual(failures, [])
}

const [, program, file] = process.argv
if (program?.endsWith('check-decorated.ts') && file !== undefined) {
  await check((await import(file)) as Decorated)
  console.log('checked')
}
