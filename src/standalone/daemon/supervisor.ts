import { execFile } from 'node:child_process'
import type { Logger } from '../../index.ts'

/** Tells whoever started this process how it goes: pm2 with `wait_ready`, and systemd with `Type=notify`. */
export const supervisor = {
  ready(logger: Logger): void {
    // Without a callback, a failure would end this process: whoever started it may have gone, or listen no longer.
    process.send?.('ready', undefined, undefined, (error) => {
      if (error !== null) logger.debug({ error }, 'whoever started this process was not told that it is ready')
    })
    notify('READY=1', logger)
  },
  stopping(logger: Logger): void {
    notify('STOPPING=1', logger)
  },
}

/** Node has no datagrams over Unix sockets, so systemd's own program sends them. See systemd's sd_notify(3). */
function notify(state: string, logger: Logger): void {
  if (!process.env['NOTIFY_SOCKET']) return
  execFile('systemd-notify', [state], (error) => {
    if (error !== null)
      logger.warn(
        { error },
        `could not send ${state} to systemd: is systemd-notify installed, and NotifyAccess=all set?`,
      )
  })
}
