import { FlotillaError } from '../../../errors.ts'
import type { Endpoint } from './address.ts'

/**
 * Where this process reaches the servers that sentinels or members of a cluster name: `HOST:PORT` as they name it, and
 * `HOST:PORT` from here.
 */
export type NatMap = Readonly<Record<string, string | Endpoint>>

const HOST_AND_PORT = /^(?<host>[^\s:/@]+|\[[\da-f:.]+\]|[\da-f:.]+):(?<port>\d{1,5})$/i

/** Translates the addresses that Redis names into those that lead there from here. */
export class AddressBook {
  readonly #outside = new Map<string, Endpoint>()

  /** @throws FlotillaError `FLT_BAD_OPTION` */
  constructor(natMap: NatMap = {}) {
    if (typeof natMap !== 'object' || natMap === null || Array.isArray(natMap))
      throw badMap('give an object such as { "10.0.0.5:6379": "redis.example:7000" }')
    for (const [inside, outside] of Object.entries(natMap)) {
      this.#outside.set(
        keyOf(endpointIn(inside, 'each key')),
        endpointIn(typeof outside === 'string' ? outside : textOf(outside), 'each value'),
      )
    }
  }

  /** The address that leads to a server which is known under one of these names; the first of them if none is listed. */
  outsideOf(first: Endpoint, ...others: readonly Endpoint[]): Endpoint {
    for (const named of [first, ...others]) {
      const outside = this.#outside.get(keyOf(named))
      // A copy, because ioredis writes into it.
      if (outside !== undefined) return { ...outside }
    }
    return first
  }
}

function endpointIn(text: string, which: string): Endpoint {
  const { host = '', port = '' } = HOST_AND_PORT.exec(text)?.groups ?? {}
  if (Number(port) > 0 && Number(port) <= 65_535) return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
  throw badMap(`write ${which} as HOST:PORT`)
}

function textOf(endpoint: Endpoint | null | undefined): string {
  return `${endpoint?.host}:${endpoint?.port}`
}

function keyOf({ host, port }: Endpoint): string {
  return `${host.toLowerCase()}:${port}`
}

function badMap(what: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `natMap: ${what}`)
}
