import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'

const ISSUER = 'https://issuer.example'
const AUDIENCE = 'attacks'
const ALG = 'ES256'

/** Publishes the key that tokens are checked with, until it is told to fail. */
export class KeyEndpoint {
  readonly #server: Server
  readonly #key: CryptoKey
  #isFailing = false

  static async start(): Promise<KeyEndpoint> {
    const { publicKey, privateKey } = await generateKeyPair(ALG)
    const body = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: ALG, kid: 'known' }] })
    const endpoint = new KeyEndpoint(privateKey, body)
    endpoint.#server.listen(0, '127.0.0.1')
    await once(endpoint.#server, 'listening')
    return endpoint
  }

  private constructor(key: CryptoKey, body: string) {
    this.#key = key
    this.#server = createServer((_, response) => {
      if (this.#isFailing) response.writeHead(500).end()
      else response.writeHead(200, { 'Content-Type': 'application/json' }).end(body)
    })
  }

  /** The flags that make a node fetch its keys here. */
  get flags(): readonly string[] {
    const { port } = this.#server.address() as AddressInfo
    return [`--jwks=http://127.0.0.1:${port}/keys`, `--token-issuer=${ISSUER}`, `--token-audience=${AUDIENCE}`]
  }

  tokenFor = (uid: string): Promise<string> => this.#signed(uid, 'known')

  /** A token that names an unknown key, so that the node wants to fetch the keys. */
  forged(): Promise<string> {
    return this.#signed('eve', 'unknown')
  }

  fail(): void {
    this.#isFailing = true
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #signed(uid: string, kid: string): Promise<string> {
    return new SignJWT()
      .setProtectedHeader({ alg: ALG, kid })
      .setSubject(uid)
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setExpirationTime('1h')
      .sign(this.#key)
  }
}
