import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawRequest } from '../support/raw-request.ts'
import { startFlotilla } from './flotilla.ts'

test('a path counts as it was sent, also behind a host, so that no dots lead past a proxy that denies /api/', async (t) => {
  const { url } = await startFlotilla(t, ['--port=0', '--log-level=silent', '--dev'])
  const { host } = new URL(url)
  const ask = async (target: string): Promise<{ status: number; body: string }> =>
    await rawRequest(url, Buffer.from(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`))
  const here = `http://${host}`
  for (const target of [`${here}/api/users/..`, `${here}/api/users/%2E%2E?x#y`, '/api/users/..'])
    assert.equal((JSON.parse((await ask(target)).body) as { uid: string }).uid, '..', target)
  for (const target of [
    '/x/../api/nodes',
    '/%2e/api/nodes',
    '//api/nodes',
    '/x/../metrics',
    '/x/../readyz',
    '/./ws',
    '/metrics#x',
    '/readyz#',
  ])
    for (const form of [target, here + target]) assert.equal((await ask(form)).status, 404, form)
  for (const target of [`${here}/healthz`, `${here}/healthz?x`]) assert.equal((await ask(target)).status, 200, target)
})

test('a path that is there never answers 404: a wrong method gets 405, and a call without an upgrade gets 426', async (t) => {
  const { url } = await startFlotilla(t, ['--port=0', '--log-level=silent', '--dev'])
  for (const path of ['/metrics', '/', '/dev.js', '/dev.css']) {
    const answer = await fetch(url + path, { method: 'POST' })
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET'], path)
    assert.match(await answer.text(), /does not take POST: use GET/)
  }
  for (const path of ['/ws', '/echo'])
    for (const method of ['GET', 'POST']) assert.equal((await fetch(url + path, { method })).status, 426, method + path)
})
