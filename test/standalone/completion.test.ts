import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { flags } from '../../src/standalone/config/flags.ts'
import { flotilla } from './flotilla.ts'

/** What bash offers at Tab behind these words. `files` are the words of a file name, which bash itself completes. */
function offers(script: string, words: readonly string[]): string[] {
  const ask = `${script}
compopt() { :; }
COMP_WORDS=(flotilla "$@"); COMP_CWORD=$#; _flotilla; printf '%s\\n' "\${COMPREPLY[@]}"`
  const told = execFileSync('bash', ['--norc', '-c', ask, 'bash', ...words], { encoding: 'utf8' })
  return told.split('\n').filter((line) => line !== '')
}

test('bash completes commands, flags and their values', async () => {
  const { code, stdout: script, stderr } = await flotilla(['completion', 'bash'])
  assert.deepEqual([code, stderr], [0, ''])
  const offered: [words: string[], expected: string[]][] = [
    [['st'], ['start', 'stop', 'status']],
    [['--v'], ['--version']],
    [['start', '--dri'], ['--driver']],
    [
      ['start', '--driver', ''],
      ['memory', 'redis'],
    ],
    [['start', '--driver', '=', 'r'], ['redis']],
    [
      ['start', '--driver', '='],
      ['memory', 'redis'],
    ],
    [['start', '--dev', '--log-level', 'si'], ['silent']],
    [['start', '--port', ''], []],
    [['start', '--config', ''], []],
    [['push', '--uid', 'start', '--fail'], ['--fail-offline']],
    [['push', '$(exit 7)', '--al'], ['--all']],
    [['new', 'mod'], ['module']],
    [['new', 'module', '--h'], ['--help']],
    [['completion', 'f'], ['fish']],
    [['nonsense', '--v'], ['--version']],
  ]
  for (const [words, expected] of offered) assert.deepEqual(offers(script, words), expected, words.join(' '))
  const all = offers(script, ['start', '--'])
  for (const { name } of flags) assert.ok(all.includes(`--${name}`), name)
})

test('every script names every command and every flag of start', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await flotilla(['completion', shell])
    for (const command of ['stop', 'restart', 'status', 'push', 'token', 'new', 'module', 'completion'])
      assert.match(stdout, new RegExp(`\\b${command}\\b`), `${shell}: ${command}`)
    for (const { name } of flags) assert.match(stdout, new RegExp(`--${name}\\b|-l ${name}\\b`), `${shell}: ${name}`)
  }
})
