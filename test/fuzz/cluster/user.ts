import { connect, type TestClient } from '../../support/connect.ts'
import type { Host } from './host.ts'

/** One connection of a user. */
export class Device {
  readonly host: Host
  readonly client: TestClient
  readonly groups: Set<string>
  /** For each group that the device has left, the number of the last message before it left. */
  readonly left = new Map<string, number>()
  /** How often something has happened to its node or to the store. */
  upheavals = 0

  constructor(host: Host, client: TestClient, groups: Iterable<string>) {
    this.host = host
    this.client = client
    this.groups = new Set(groups)
  }

  get isOpen(): boolean {
    return this.client.socket.readyState === this.client.socket.OPEN
  }
}

/** A user, with all the connections it ever had. */
export class User {
  readonly uid: string
  readonly devices: Device[] = []

  constructor(uid: string) {
    this.uid = uid
  }

  get open(): Device[] {
    return this.devices.filter(({ isOpen }) => isOpen)
  }

  get groups(): Set<string> {
    return new Set(this.open.flatMap(({ groups }) => [...groups]))
  }

  isIn(group: string): boolean {
    return this.groups.has(group)
  }

  has(text: string): boolean {
    return this.devices.some(({ client }) => client.texts.includes(text))
  }

  async connect(host: Host, groups: readonly string[]): Promise<Device> {
    const client = await connect(host.url, { uid: this.uid, groups })
    const device = new Device(host, client, groups)
    this.devices.push(device)
    return device
  }
}
