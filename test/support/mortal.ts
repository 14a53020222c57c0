import type { ChildProcess } from 'node:child_process'

const living = new Set<ChildProcess>()

// Kills the children by their ids, with a signal that they cannot ignore, whatever ends this process.
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL')
})

/** The same process, which from now on does not outlive this one. */
export function mortal<Process extends ChildProcess>(child: Process): Process {
  living.add(child)
  child.once('exit', () => living.delete(child))
  return child
}
