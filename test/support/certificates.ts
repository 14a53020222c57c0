import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Paths of PEM files, and what they hold. */
export interface Certified {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: Buffer
  readonly key: Buffer
}

/** A certificate authority of one test. */
export class Authority {
  readonly caFile: string
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
    this.caFile = join(folder, 'ca.pem')
    openssl([...'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test'.split(' '), ...this.#files('ca', 'pem')])
  }

  static make(): Authority {
    return new Authority(mkdtempSync(join(tmpdir(), 'flotilla-ca-')))
  }

  get ca(): Buffer {
    return readFileSync(this.caFile)
  }

  /** @param names of the certificate's owner, such as `DNS:localhost,IP:127.0.0.1` */
  certify(file: string, names: string): Certified {
    const [certFile, keyFile, extensions] = ['pem', 'key', 'ext'].map((end) => join(this.#folder, `${file}.${end}`))
    writeFileSync(extensions!, `subjectAltName=${names}`)
    openssl([...`req -newkey rsa:2048 -nodes -subj /CN=${file}`.split(' '), ...this.#files(file, 'csr')])
    const authority = ['-CA', this.caFile, '-CAkey', join(this.#folder, 'ca.key'), '-CAcreateserial']
    const request = join(this.#folder, `${file}.csr`)
    openssl(['x509', '-req', '-in', request, ...authority, '-days', '2', '-extfile', extensions!, '-out', certFile!])
    return {
      certFile: certFile!,
      keyFile: keyFile!,
      cert: readFileSync(certFile!),
      key: readFileSync(keyFile!),
    }
  }

  /** The arguments that give a Redis this certificate. */
  redisArgs({ certFile, keyFile }: Certified, asksClients = false): string[] {
    const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', this.caFile]
    return [...files, '--tls-auth-clients', asksClients ? 'yes' : 'no']
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #files(file: string, end: string): string[] {
    return ['-keyout', join(this.#folder, `${file}.key`), '-out', join(this.#folder, `${file}.${end}`)]
  }
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' })
}
