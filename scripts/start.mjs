// npm start: installs and builds what is missing, then runs `flotilla start --dev` with the arguments after `--`.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { prepare, root } from './prepare.mjs'

prepare()
stopWithParent()
const cli = join(root, 'dist/standalone/cli.js')
// The CLI runs in this process, so signals and exit codes need not be passed on.
process.argv = [process.execPath, cli, 'start', '--dev', ...process.argv.slice(2)]
await import(pathToFileURL(cli).href)

/** npm passes SIGTERM on to its shell. If that is dash, the shell ends without passing the signal on. */
function stopWithParent() {
  const parent = process.ppid
  const watch = () => {
    if (process.ppid === parent) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }
  const timer = setInterval(watch, 200).unref()
}
