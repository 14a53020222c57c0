import type { ChildProcess } from 'node:child_process'

const living = new Set<ChildProcess>()

// By their ids, and none is asked: whatever ends this process ends them.
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL')
})

/** The same process, which from now on does not outlive this one. */
export function mortal<Process extends ChildProcess>(child: Process): Process {
  living.add(child)
  child.once('exit', () => living.delete(child))
  return child
}
