import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flotilla, startFlotilla } from './flotilla.ts'

test('the links that Kubernetes and Docker set for a service named flotilla are ignored, which is logged', async (t) => {
  const env = {
    FLOTILLA_SERVICE_HOST: '10.96.0.7',
    FLOTILLA_SERVICE_PORT: '18308',
    FLOTILLA_PORT: 'tcp://10.96.0.7:18308',
    FLOTILLA_PORT_18308_TCP: 'tcp://10.96.0.7:18308',
    FLOTILLA_PORT_18308_TCP_ADDR: '10.96.0.7',
    FLOTILLA_PORT_6379_TCP_PROTO: 'tcp',
    FLOTILLA_NAME: '/web/flotilla',
    FLOTILLA_ENV_NODE_VERSION: '20',
  }
  const server = await startFlotilla(t, ['--dev', '--port=0'], { env })
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200)
  server.child.kill('SIGTERM')
  const { stderr } = await server.ended
  assert.match(stderr, /FLOTILLA_PORT.*FLOTILLA_NAME|FLOTILLA_NAME.*FLOTILLA_PORT/)
  assert.match(stderr, /Kubernetes and Docker/)
})

test('a port that is neither a number nor a link is still refused', async () => {
  const { code, stderr } = await flotilla(['start', '--dev'], { env: { FLOTILLA_PORT: 'http://10.96.0.7:18308' } })
  assert.equal(code, 2)
  assert.match(stderr, /^--port \(from FLOTILLA_PORT\) takes a whole number/)
})
