import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

// What `flotilla completion` prints, in the shells that npm test does not need. test/standalone has bash.

const cli = fileURLToPath(new URL('../dist/standalone/cli.js', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'flotilla-completion-'))
after(() => rm(folder, { recursive: true, force: true }))

/** Resolves to the path of the script. */
async function scriptFor(shell: string): Promise<string> {
  const file = join(folder, shell)
  await writeFile(file, execFileSync(process.execPath, [cli, 'completion', shell]))
  return file
}

test('fish completes commands, flags, their values, and files', async () => {
  const file = await scriptFor('fish')
  const offers = (line: string): string[] => {
    const ask = `source ${file}; complete -C '${line}'`
    const told = execFileSync('fish', ['--no-config', '-c', ask], {
      encoding: 'utf8',
      env: { ...process.env, HOME: folder },
    })
    return told.split('\n').flatMap((offer) => (offer === '' ? [] : [offer.replace(/\t.*/, '')]))
  }
  assert.deepEqual(offers('flotilla st'), ['start', 'status', 'stop'])
  assert.deepEqual(offers('flotilla start --dri'), ['--driver'])
  assert.deepEqual(offers('flotilla start --driver '), ['memory', 'redis'])
  assert.deepEqual(offers('flotilla start --driver=r'), ['--driver=redis'])
  assert.deepEqual(offers('flotilla new '), ['module'])
  assert.deepEqual(offers('flotilla completion '), ['bash', 'fish', 'zsh'])
  assert.deepEqual(offers('flotilla push '), [])
  assert.deepEqual(offers(`flotilla start --config ${folder}/fi`), [file])
})

test('zsh takes the script, and completes the only word that fits', async () => {
  const file = await scriptFor('zsh')
  execFileSync('zsh', ['-n', file])
  // A terminal of its own: zsh completes nothing without one. It says what the line has become.
  const ask = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'autoload -Uz compinit; compinit -u -D; source ${file}; report() { print -r "[$BUFFER]" }; zle -N report; bindkey "^T" report; print rea""dy'
while zpty -r shell line && [[ $line != *ready* ]]; do :; done
zpty -w -n shell $'flotilla new mod\\t\\C-t'
while zpty -r shell line; do [[ $line == *\\[flotilla*\\]* ]] && print -r -- $line && break; done
zpty -d shell`
  const told = execFileSync('zsh', ['-f', '-c', ask], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, HOME: folder },
  })
  assert.match(told, /\[flotilla new module ?\]/)
})
