import { randomUUID } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs'
import { CliError, reasonOf, systemCode } from '../common/cli-error.ts'

// In a folder such as /tmp anyone can put a file, a link or a pipe where one of ours is expected. So nothing is read from,
// or written to, what this user has not made; and what is written appears under its name whole.

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants
const PRIVATE = 0o600
const OTHERS_WRITE = 0o022

/** @throws CliError if it is there but is not a file that this user alone may write to */
export function readOwn(file: string): string | undefined {
  const fd = open(file, O_RDONLY | O_NONBLOCK)
  if (fd === undefined) return undefined
  try {
    const stats = fstatSync(fd)
    checkOwn(file, stats)
    if (isPosix && (stats.mode & OTHERS_WRITE) !== 0) throw strange(file, 'can be written by others')
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** Writes a file beside it that takes its place at once. @throws CliError as `readOwn` */
export function replaceOwn(file: string, text: string, mode = PRIVATE): void {
  const there = lstatSync(file, { throwIfNoEntry: false })
  if (there !== undefined) checkOwn(file, there)
  beside(file, text, mode, (written) => renameSync(written, file))
}

/** False if something is there already. */
export function createOwn(file: string, text: string): boolean {
  return beside(file, text, PRIVATE, (written) => {
    try {
      linkSync(written, file)
      return true
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false
      throw error
    }
  })
}

/** Opens a file to append to, which nobody else may read from now on. @throws CliError as `readOwn` */
export function appendToOwn(file: string): number {
  const fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK)!
  try {
    const stats = fstatSync(fd)
    checkOwn(file, stats)
    if (stats.nlink > 1) throw strange(file, 'has a second name elsewhere')
    fchmodSync(fd, PRIVATE)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function open(file: string, flags: number): number | undefined {
  try {
    return openSync(file, flags | O_NOFOLLOW, PRIVATE)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' && (flags & O_CREAT) === 0) return undefined
    // A link; a pipe that nobody reads, or a socket; a folder.
    if (code === 'ELOOP' || code === 'ENXIO' || code === 'EISDIR') throw strange(file, 'is not a plain file')
    if (code === 'EACCES' && isForeign(lstatSync(file, { throwIfNoEntry: false }))) throw strange(file, OTHERS)
    throw unusable(error)
  }
}

function beside<T>(file: string, text: string, mode: number, put: (written: string) => T): T {
  const written = `${file}.${randomUUID()}`
  try {
    const fd = openSync(written, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
    try {
      writeFileSync(fd, text)
    } finally {
      closeSync(fd)
    }
    return put(written)
  } catch (error) {
    throw unusable(error)
  } finally {
    rmSync(written, { force: true })
  }
}

const isPosix = process.geteuid !== undefined
const OTHERS = 'belongs to another user'

function checkOwn(file: string, stats: Stats): void {
  if (!stats.isFile()) throw strange(file, 'is not a plain file')
  if (isForeign(stats)) throw strange(file, OTHERS)
}

function isForeign(stats: Stats | undefined): boolean {
  return stats !== undefined && isPosix && stats.uid !== process.geteuid?.()
}

function strange(file: string, flaw: string): CliError {
  return new CliError(`${file} ${flaw}, so it is not trusted: remove it, or give another --pid-file`)
}

function unusable(error: unknown): CliError {
  return new CliError(`--pid-file takes a file in a folder that can be read and written; ${reasonOf(error)}`)
}
