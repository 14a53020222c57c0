import { createRequire } from 'node:module'
import { join } from 'node:path'

/**
 * Counts the commands that this process sends to the store. Redis 7 cannot tell how many they are: it counts the commands that
 * scripts run together with those that clients send.
 */
export class StoreCalls {
  #count = 0
  #scriptCount = 0

  /** @param {string} folder The folder of the build whose own ioredis is counted. */
  static of(folder) {
    const counter = new StoreCalls()
    const { Redis } = createRequire(join(folder, 'index.js'))('ioredis')
    const send = Redis.prototype.sendCommand
    Redis.prototype.sendCommand = function (command, stream) {
      counter.#note(command.name)
      return send.call(this, command, stream)
    }
    return counter
  }

  report() {
    return { count: this.#count, scriptCount: this.#scriptCount }
  }

  /** @param {string} name */
  #note(name) {
    this.#count++
    if (name.startsWith('eval') || name.startsWith('fcall')) this.#scriptCount++
  }
}
