// Runs test files in a child process, and passes signals on to it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { filesIn, root } from './prepare.mjs'

/** Runs every test file in a folder, or those that the arguments name. Resolves to the exit code. */
export function runTests({ folder, concurrency, timeout, args, env = process.env }) {
  const isFile = (arg) => !arg.startsWith('-') && existsSync(join(root, arg))
  const named = args.filter(isFile)
  const files = named.length > 0 ? named : filesIn(folder).filter((file) => file.endsWith('.test.ts'))
  const options = ['--import', './scripts/typescript.mjs', '--test', '--test-reporter=spec']
  const limits = [`--test-concurrency=${concurrency}`, `--test-timeout=${timeout}`]
  const rest = args.filter((arg) => !isFile(arg))
  const argv = [...options, ...limits, ...rest, ...files]
  const child = spawn(process.execPath, argv, {
    cwd: root,
    stdio: 'inherit',
    // However slow the machine is, no test may fail because of that.
    env: { FLOTILLA_TEST_TIMEOUT: '120000', ...env },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}
