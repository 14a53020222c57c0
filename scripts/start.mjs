// npm start: installs and builds what is missing, then `flotilla start --dev` with the arguments after `--`.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { prepare, root } from './prepare.mjs'

prepare()
stopWithParent()
const cli = join(root, 'dist/standalone/cli.js')
// In this process, so that signals and exit codes need no passing on.
process.argv = [process.execPath, cli, 'start', '--dev', ...process.argv.slice(2)]
await import(pathToFileURL(cli).href)

/** npm passes SIGTERM on to its shell, and that one, where it is dash, to nobody: it just ends. */
function stopWithParent() {
  const parent = process.ppid
  const watch = () => {
    if (process.ppid === parent) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }
  const timer = setInterval(watch, 200).unref()
}
