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

// In a folder such as /tmp anyone can plant a file, a link or a pipe where one of ours is expected. So this reads and
// writes only plain files of this user, and a new file appears under its name only when it is complete.

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants
const PRIVATE = 0o600
const OTHERS_WRITE = 0o022

/** Undefined if there is no file. @throws CliError if there is anything but a file that only this user may write to */
export function readOwn(file: string): string | undefined {
  const fd = open(file, O_RDONLY | O_NONBLOCK)
  if (fd === undefined) return undefined
  try {
    const stats = fstatSync(fd)
    checkOwn(file, stats)
    if (isPosix && (stats.mode & OTHERS_WRITE) !== 0) throw untrusted(file, 'can be written by others')
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** Writes a new file beside this one, then renames it over this one. @throws CliError if another user owns this one */
export function replaceOwn(file: string, text: string, mode = PRIVATE): void {
  const there = lstatSync(file, { throwIfNoEntry: false })
  if (there !== undefined) checkOwn(file, there)
  writeBeside(file, text, mode, (written) => renameSync(written, file))
}

/** Returns false if something is there already. */
export function createOwn(file: string, text: string): boolean {
  return writeBeside(file, text, PRIVATE, (written) => {
    try {
      linkSync(written, file)
      return true
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false
      throw error
    }
  })
}

/** Opens a file to append to, and makes it private to this user. @throws CliError if another user owns it */
export function appendToOwn(file: string): number {
  const fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK)!
  try {
    const stats = fstatSync(fd)
    checkOwn(file, stats)
    if (stats.nlink > 1) throw untrusted(file, 'has a second hard link')
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
    // ELOOP: a link. ENXIO: a pipe that nobody reads, or a socket. EISDIR: a folder.
    if (code === 'ELOOP' || code === 'ENXIO' || code === 'EISDIR') throw untrusted(file, 'is not a plain file')
    if (code === 'EACCES' && isForeign(lstatSync(file, { throwIfNoEntry: false }))) throw untrusted(file, OTHERS)
    throw unusable(error)
  }
}

function writeBeside<T>(file: string, text: string, mode: number, put: (written: string) => T): T {
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
  if (!stats.isFile()) throw untrusted(file, 'is not a plain file')
  if (isForeign(stats)) throw untrusted(file, OTHERS)
}

function isForeign(stats: Stats | undefined): boolean {
  return stats !== undefined && isPosix && stats.uid !== process.geteuid?.()
}

function untrusted(file: string, flaw: string): CliError {
  return new CliError(`${file} ${flaw}, so it is not trusted: remove it, or give another --pid-file`)
}

function unusable(error: unknown): CliError {
  return new CliError(`--pid-file: ${reasonOf(error)}; it takes a file in a folder that can be read and written`)
}
