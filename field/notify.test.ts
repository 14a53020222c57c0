import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Child } from '../test/support/child.ts'
import { startNode } from '../test/support/start-node.ts'

/** Node cannot receive datagrams on a Unix socket. */
const LISTEN = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode(), flush=True)
`

test('systemd is told when a server is ready, and when it begins to stop', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-notify-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'notify.sock')
  const systemd = new Child('python3', ['-c', LISTEN, path])
  t.after(() => systemd.kill9())
  await systemd.said(/^bound$/m)
  const node = await startNode(['--dev', '--log-level=warn'], { env: { NOTIFY_SOCKET: path } })
  t.after(() => node.kill9())
  await systemd.said(/^READY=1$/m)
  assert.doesNotMatch(systemd.stdout, /STOPPING/)
  assert.equal((await node.stop()).code, 0)
  await systemd.said(/^STOPPING=1$/m)
  assert.doesNotMatch(node.logs, /systemd/)
})
