import { stat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { systemCode } from '../common/cli-error.ts'

/** Removes the socket that a killed process has left behind: nobody can listen there as long as it exists. */
export async function removeDeadSocket(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isSocket() === true && (await isDead(path))) await unlink(path)
}

async function isDead(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (error) => resolve(systemCode(error) === 'ECONNREFUSED'))
  })
}
