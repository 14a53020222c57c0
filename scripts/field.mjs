// npm run field: installs and builds what is missing, then runs every field test, or those that the arguments after
// `--` name. A field test is one with programs that stand around Flotilla: proxies, frameworks, other languages.
import { randomUUID } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { packagesOfField, packagesOfTests, provideDebianPackages } from './debian-packages.mjs'
import { npm, prepare, root, run, timeOf } from './prepare.mjs'
import { runTests } from './run-tests.mjs'

const folder = join(root, 'field')
const self = join(folder, 'node_modules/flotilla')
/** In the environment of everything that the tests start, whoever its parent is. */
const MARK = `FIELD_RUN=${randomUUID()}`

// Debian's proxies are in /usr/sbin, which is not on everybody's path.
process.env['PATH'] = `${process.env['PATH'] ?? ''}:/usr/sbin`
prepare()
install()
provideDebianPackages('npm run field', [...packagesOfTests, ...packagesOfField])
// Here and not in `npm run typecheck`, because the types of the frameworks are installed only now.
run('checking the types of field', process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder])
const [name, value] = MARK.split('=')
const env = { ...process.env, [name]: value }
const args = process.argv.slice(2)
const code = await runTests({ folder: 'field', concurrency: 3, timeout: 1_200_000, args, env })
const left = await endWhatIsLeft()
process.exit(code === 0 && left > 0 ? 1 : code)

/** field has a lock file of its own, so that users of a checkout do not install every framework. */
function install() {
  if (madeAt(self) > timeOf('field/package-lock.json')) return
  run('installing the packages of field', ...npm('ci', '--include=dev', '--no-audit', '--no-fund'), folder)
  // field is another package than Flotilla, so that Node.js does not find Flotilla by its name from there.
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  rmSync(self, { force: true })
  symlinkSync('../..', self, 'dir')
}

function madeAt(link) {
  return lstatSync(link, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** A test that leaves a process behind has failed, even if the process is a daemon that belongs to nobody. */
async function endWhatIsLeft() {
  // Some end by themselves, once they notice that their parent is gone.
  for (let tries = 0; tries < 50 && marked().length > 0; tries++) await setTimeout(100)
  const left = marked()
  for (const pid of left) {
    process.stderr.write(`the tests left this running: ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}\n`)
    end(Number(pid))
  }
  return left.length
}

function marked() {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/environ`).includes(MARK))
}

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}

/** Empty if the process has ended, or is somebody else's. */
function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
