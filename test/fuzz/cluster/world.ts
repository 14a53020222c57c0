import assert from 'node:assert/strict'
import type { Driver } from '../../../src/drivers/driver.ts'
import { newProcessId } from '../../../src/envelope/ids.ts'
import { isFlotillaError } from '../../../src/errors.ts'
import type { Receipt, Target } from '../../../src/index.ts'
import { elapse, until } from '../../support/until.ts'
import { DEAD_AFTER, HEARTBEAT, Host } from './host.ts'
import type { Step } from './steps.ts'
import { type Device, User } from './user.ts'

const HOSTS = { atFirst: 3, most: 5 } as const
const UIDS = ['ann', 'bob', '{c}', '#']
const GROUPS = ['g', 'a:b']
/** ms by which the nodes read late, so that pushes are on their way while their users move. */
const LAGS = [0, 20, 50]
/** ms after which a message has arrived that was delivered before its node stood still. */
const ARRIVED = 30
/** ms. Much shorter than what remains of a lease when its node stands still. */
const IN_TIME = (DEAD_AFTER - HEARTBEAT) / 2
/** ms in which a message that must not come would have come. */
const LATE = 50

/** A message that a user must get on any of its connections. */
interface Due {
  readonly user: User
  readonly text: string
}

/** A push to a user whose only connection is on an undisturbed node. There, first copies come in order. */
interface Ordered {
  readonly device: Device
  readonly publisher: Host
  readonly text: string
}

export interface Store {
  readonly driver: Driver
  /** Makes the store come back empty. */
  readonly lose?: () => Promise<unknown>
}

/**
 * A real cluster, and beside it the simplest possible model of which user must get which message. A message is due
 * while its user stays, or reaches another node before the first one is gone. A message on its way to a socket that is
 * cut off may be lost, so it is due no longer.
 */
export class World {
  readonly #store: Store
  readonly #prefix = `fuzz-${newProcessId()}`
  readonly #hosts: Host[] = []
  readonly #users = UIDS.map((uid) => new User(uid))
  readonly #pushes: Promise<void>[] = []
  #ordered: Ordered[] = []
  readonly #failures: unknown[] = []
  #due: Due[] = []
  #sequence = 0
  /** How often a node ended or the store was lost: a push that was under way may then fail. */
  #losses = 0
  #isCalm = true
  /** Whether the store was lost. */
  #isStoreNew = false

  constructor(store: Store) {
    this.#store = store
  }

  async start(): Promise<void> {
    for (let count = 0; count < HOSTS.atFirst; count++) await this.#startHost()
    for (const user of this.#users) await user.connect(pick(this.#up, user.uid.length), [])
  }

  async close(): Promise<void> {
    for (const user of this.#users) for (const { client } of user.devices) client.socket.terminate()
    for (const host of this.#hosts) host.resume()
    await Promise.all(this.#hosts.map((host) => host.server.close({ timeout: 100 })))
  }

  async take(step: Step): Promise<void> {
    switch (step.type) {
      case 'connect':
        return this.#connect(pick(this.#users, step.user), pick(this.#up, step.host))
      case 'move':
        return this.#move(pick(this.#users, step.user), pick(this.#up, step.host), step.count)
      case 'disconnect':
        return this.#disconnect(pick(this.#users, step.user))
      case 'push':
        return this.#pushTo(pick(this.#users, step.user), pick(this.#up, step.host), step)
      case 'pushGroup':
        return this.#pushGroup(pick(GROUPS, step.group), pick(this.#up, step.host), step.waits)
      case 'pushAll':
        return this.#pushAll(pick(this.#up, step.host), step.waits)
      case 'join':
      case 'leave':
        return this.#change(
          step.type,
          pick(this.#users, step.user),
          pick(GROUPS, step.group),
          pick(this.#up, step.host),
        )
      case 'startHost':
        return this.#hosts.filter(({ state }) => state !== 'dead').length < HOSTS.most ? this.#startHost() : undefined
      case 'pause':
        return this.#up.length > 1 ? this.#pause(pick(this.#up, step.host), step.count) : undefined
      case 'resume':
        return this.#paused.length > 0 ? pick(this.#paused, step.host).resume() : undefined
      case 'kill':
        return this.#kill(step.host)
      case 'stop':
        return this.#up.length > 1 ? this.#stop(pick(this.#up, step.host)) : undefined
      case 'halt':
        this.#isCalm = false
        return pick(this.#up, step.host).plug.haltAfter(step.step, step.ms)
      case 'lag':
        return pick(this.#up, step.host).plug.lag(step.ms)
      case 'wait':
        return elapse(step.ms)
      case 'loseStore':
        return this.#lose()
      default:
        throw step satisfies never
    }
  }

  // ---- steps

  get #up(): Host[] {
    return this.#hosts.filter(({ state }) => state === 'up')
  }

  get #paused(): Host[] {
    return this.#hosts.filter(({ state }) => state === 'paused')
  }

  async #startHost(): Promise<void> {
    const count = this.#hosts.length
    const host = await Host.start(this.#store.driver, this.#prefix, `n${count}`)
    host.plug.lag(pick(LAGS, count))
    this.#hosts.push(host)
  }

  async #connect(user: User, host: Host): Promise<void> {
    if (user.open.length < 3) await user.connect(host, [...user.groups])
  }

  /** Connects to the new node before the old connections close, as a phone does that changes networks. */
  async #move(user: User, host: Host, count: number): Promise<void> {
    const before = user.open
    if (before.length === 0) return
    await this.#pushTo(user, host, { count, waits: false })
    await user.connect(host, [...user.groups])
    this.#dropBroadcasts([user])
    // Sockets to a paused node stay open, because the node would not notice their end.
    await Promise.all(before.filter(isUp).map(({ client }) => client.close()))
  }

  async #disconnect(user: User): Promise<void> {
    await Promise.all(user.open.filter(isUp).map(({ client }) => client.close()))
    this.#drop((due) => due.user === user)
  }

  /** Makes all pushes at once: they must come in order all the same. */
  async #pushTo(user: User, by: Host, { count, waits }: { count: number; waits: boolean }): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#push(user, by, waits)))
  }

  async #push(user: User, by: Host, waits: boolean): Promise<void> {
    const text = `uid ${user.uid} ${++this.#sequence}`
    const devices = user.open
    const [only, ...others] = devices
    if (only !== undefined && others.length === 0 && isUp(only)) {
      this.#ordered.push({ device: only, publisher: by, text })
    }
    if (devices.some(isUp)) this.#due.push({ user, text })
    await this.#send(by, { uid: user.uid }, text, waits, (receipt) => {
      const hasStayed = devices.some((device) => device.isOpen && isUp(device) && device.upheavals === 0)
      if (hasStayed) assert.deepEqual(receipt.offline, [], `${user.uid} was online all the time`)
      if (receipt.offline.length > 0) this.#drop((due) => due.text === text)
    })
  }

  async #pushGroup(group: string, by: Host, waits: boolean): Promise<void> {
    const text = `group ${group} ${++this.#sequence}`
    for (const user of this.#users) {
      if (user.open.some((device) => isUp(device) && device.groups.has(group))) this.#due.push({ user, text })
    }
    await this.#send(by, { group }, text, waits)
  }

  async #pushAll(by: Host, waits: boolean): Promise<void> {
    const text = `all * ${++this.#sequence}`
    for (const user of this.#users) if (user.open.some(isUp)) this.#due.push({ user, text })
    await this.#send(by, { all: true }, text, waits)
  }

  /** A push may fail only if its node or the store was lost meanwhile. */
  async #send(by: Host, to: Target, text: string, waits: boolean, check?: (receipt: Receipt) => void): Promise<void> {
    const losses = this.#losses
    const sent = by.server.cluster.push(to, text).then(
      (receipt) => check?.(receipt),
      (error: unknown) => {
        const isLost = by.state === 'dead' || this.#losses > losses
        if (!isLost || !isFlotillaError(error)) throw error
        this.#drop((due) => due.text === text)
      },
    )
    const told = sent.catch((error: unknown) => void this.#failures.push(error))
    this.#pushes.push(told)
    if (waits) await told
  }

  /** Joins or leaves a group, but does nothing while a node that must obey stands still. */
  async #change(type: 'join' | 'leave', user: User, group: string, by: Host): Promise<void> {
    const devices = user.open
    if (!devices.every(isUp)) return
    if (type === 'leave') this.#drop((due) => due.user === user && due.text.startsWith(`group ${group} `))
    await by.server.cluster[type]({ uid: user.uid }, group).catch((error: unknown) => {
      if (this.#isCalm) throw error
    })
    for (const device of devices) {
      // The outcome of a control in the midst of trouble is not known.
      if (this.#isCalm && type === 'join') device.groups.add(group)
      else if (this.#isCalm) {
        device.groups.delete(group)
        device.left.set(group, this.#sequence)
      }
    }
  }

  /** Pushes to the users of a paused node stay in its inbox. The users notice and connect to other nodes. */
  async #pause(host: Host, count: number): Promise<void> {
    this.#isCalm = false
    const pausedAt = performance.now()
    host.pause()
    await elapse(ARRIVED)
    this.#disturb(host)
    const stranded = this.#users.filter((user) => user.open.some((device) => device.host === host))
    this.#dropBroadcasts(stranded)
    for (const user of stranded) {
      const text = (): string => `uid ${user.uid} ${++this.#sequence}`
      for (let index = 0; index < count; index++) {
        const due = { user, text: text() }
        this.#due.push(due)
        await this.#send(pick(this.#up, index), { uid: user.uid }, due.text, true, ({ offline }) => {
          // A node that has stood still since a loss of the store may be given up before it could come back.
          if (this.#isStoreNew && offline.length > 0) this.#drop(({ text }) => text === due.text)
        })
      }
    }
    const away = stranded.filter((user) => !user.open.some(isUp))
    await Promise.all(away.map((user, index) => user.connect(pick(this.#up, index), [...user.groups])))
    // On a busy machine the users may connect only after the takeover has looked for them in vain.
    if (performance.now() - pausedAt > IN_TIME) this.#drop(({ user }) => stranded.includes(user))
  }

  async #kill(number: number): Promise<void> {
    const victims = [...this.#paused, ...(this.#up.length > 1 ? this.#up : [])]
    if (victims.length === 0) return
    const host = pick(victims, number)
    const wasUp = host.state === 'up'
    this.#isCalm = false
    this.#losses++
    this.#disturb(host)
    const stranded = this.#users.filter((user) => user.open.some((device) => device.host === host))
    // Messages that its kernel had taken are lost with the node.
    if (wasUp) this.#drop(({ user }) => stranded.includes(user))
    else this.#dropBroadcasts(stranded)
    for (const { host: at, client } of this.#users.flatMap(({ open }) => open)) {
      if (at === host) client.socket.terminate()
    }
    await host.kill()
    const away = stranded.filter((user) => user.open.length === 0)
    await Promise.all(away.map((user, index) => user.connect(pick(this.#up, index), [])))
  }

  /** Closes a node: it hands on what it owes, and its users connect to other nodes once they are told to go. */
  async #stop(host: Host): Promise<void> {
    this.#isCalm = false
    this.#losses++
    const stranded = this.#users.filter((user) => user.open.some((device) => device.host === host))
    host.state = 'dead'
    this.#disturb(host)
    this.#drop(({ user }) => stranded.includes(user))
    await host.server.close({ timeout: 1_000 })
    const away = stranded.filter((user) => user.open.length === 0)
    await Promise.all(away.map((user, index) => user.connect(pick(this.#up, index), [])))
  }

  /** Loses the store, and with it everything that the inboxes held. */
  async #lose(): Promise<void> {
    if (this.#store.lose === undefined) return
    this.#isCalm = false
    this.#losses++
    this.#drop(() => true)
    this.#disturb(...this.#hosts)
    this.#isStoreNew = true
    await this.#store.lose()
  }

  /** Called when something happens to nodes: from now on re-sent copies may come between the first copies there. */
  #disturb(...hosts: Host[]): void {
    this.#checkOrder()
    const disturbed = this.#users.flatMap(({ devices }) => devices.filter(({ host }) => hosts.includes(host)))
    for (const device of disturbed) device.upheavals++
    this.#ordered = this.#ordered.filter(({ device }) => !disturbed.includes(device))
  }

  /** Broadcasts are only for clients that are connected: they are not forwarded to users who go. */
  #dropBroadcasts(users: readonly User[]): void {
    this.#drop(({ user, text }) => users.includes(user) && text.startsWith('all '))
  }

  #drop(isDropped: (due: Due) => boolean): void {
    this.#due = this.#due.filter((due) => !isDropped(due))
  }

  // ---- checks

  /** Waits until all is quiet: then every user is listed where it is, and has what is due and nothing else. */
  async check(): Promise<void> {
    for (const host of this.#paused) host.resume()
    await Promise.all(this.#pushes)
    if (this.#failures.length > 0) throw this.#failures[0]
    await this.#eventually('every node lists the live nodes, and no others', () => this.#checkNodes())
    await this.#eventually('every user is listed on the right nodes', () => this.#checkUsers())
    await this.#eventually('groups have their members', () => this.#checkGroups())
    await this.#eventually('every user has all messages that are due', async () => {
      const missing = this.#due.filter(({ user, text }) => !user.has(text))
      assert.deepEqual(
        missing.map(({ user, text }) => `${user.uid} lacks ${text}`),
        [],
      )
    })
    await this.#checkLast()
    for (const user of this.#users) for (const device of user.devices) this.#checkDevice(user, device)
    this.#checkOrder()
  }

  async #eventually(what: string, check: () => Promise<void>): Promise<void> {
    let last: unknown
    const holds = async (): Promise<boolean> => {
      try {
        await check()
        return true
      } catch (error) {
        last = error
        return false
      }
    }
    await until(what, holds, { every: 20 }).catch((cause: unknown) => {
      throw new Error(`${what}: ${String(last)}`, { cause })
    })
  }

  async #checkNodes(): Promise<void> {
    const ids = this.#up.map(({ id }) => id).toSorted()
    for (const host of this.#up) {
      const nodes = await host.server.cluster.nodes()
      assert.deepEqual(nodes.map(({ node }) => node).toSorted(), ids, `as ${host.id} sees it`)
    }
  }

  async #checkUsers(): Promise<void> {
    for (const host of this.#up) {
      for (const user of this.#users) {
        const listed = await host.server.cluster.connections(user.uid)
        assert.deepEqual(
          listed.map(({ node }) => node).toSorted(),
          user.open.map((device) => device.host.id).toSorted(),
        )
      }
    }
  }

  /** If a control met with trouble, nobody can say who is in a group. */
  async #checkGroups(): Promise<void> {
    for (const group of GROUPS) {
      const found = await pick(this.#up, 0).server.cluster.members(group)
      const open = new Set(this.#users.flatMap(({ open }) => open.map(({ host }) => host.id)))
      for (const { node } of found.members) assert.ok(open.has(node), `${node} has no connections`)
      if (!this.#isCalm) continue
      const members = this.#users.flatMap((user) =>
        user.open.filter((device) => device.groups.has(group)).map(() => user.uid),
      )
      assert.deepEqual(found.members.map(({ uid }) => uid ?? 'nobody').toSorted(), members.toSorted())
    }
  }

  /** When all is quiet, a push reaches each connection of its user once, and users without connections are offline. */
  async #checkLast(): Promise<void> {
    for (const user of this.#users) {
      const text = `uid ${user.uid} ${++this.#sequence}`
      const { offline } = await pick(this.#up, 1).server.cluster.push({ uid: user.uid }, text)
      assert.deepEqual(offline, user.open.length === 0 ? [user.uid] : [])
      await until(`${text} comes`, () => user.open.every(({ client }) => client.texts.includes(text)), { every: 2 })
      await elapse(LATE / UIDS.length)
      for (const { client } of user.open) assert.equal(client.texts.filter((got) => got === text).length, 1)
    }
  }

  #checkDevice(user: User, { client, groups, left }: Device): void {
    for (const text of client.texts) {
      const [kind, to = '', number] = text.split(' ')
      if (kind === 'uid') assert.equal(to, user.uid, `${user.uid} got ${text}`)
      if (kind === 'group' && this.#isCalm) {
        const wasMember = groups.has(to) || Number(number) <= (left.get(to) ?? 0)
        assert.ok(wasMember, `${user.uid} got ${text}, and was not in the group`)
      }
    }
    if (this.#isCalm)
      assert.equal(new Set(client.texts).size, client.texts.length, 'no message comes twice while nothing fails')
  }

  #checkOrder(): void {
    for (const [index, { device, publisher, text }] of this.#ordered.entries()) {
      const at = device.client.texts.indexOf(text)
      const next = this.#ordered
        .slice(index + 1)
        .find((later) => later.device === device && later.publisher === publisher)
      if (next === undefined || !device.client.texts.includes(next.text)) continue
      assert.ok(at !== -1 && at < device.client.texts.indexOf(next.text), `${next.text} came before ${text}`)
    }
  }
}

function isUp({ host }: Device): boolean {
  return host.state === 'up'
}

function pick<Item>(items: readonly Item[], number: number): Item {
  return items[number % items.length]!
}
