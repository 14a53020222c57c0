import type { Recipients } from '../envelope/envelope.ts'
import type { Uid } from '../envelope/ids.ts'
import type { ParsedTarget } from '../envelope/target.ts'

/** A target that has to be looked up: any target except everyone. */
export type LocatableTarget = Exclude<ParsedTarget, { type: 'all' }>

/** Names by which targets are compared: two targets that overlap share one. A user and a group never share a name. */
export function namesOf(target: ParsedTarget): readonly string[] {
  switch (target.type) {
    case 'users':
      return target.uids.map((uid) => `u${uid}`)
    case 'groups':
      return target.groups.map((group) => `g${group}`)
    case 'connections':
      return target.connections.map((connection) => `c${connection}`)
    case 'all':
      return ['*']
    default:
      throw target satisfies never
  }
}

/** The target to look up for these recipients. `undefined` for everyone, who is not looked up. */
export function targetOf(to: Recipients): LocatableTarget | undefined {
  switch (to.type) {
    case 'users':
      return { type: 'users', uids: to.users.map(({ uid }) => uid) }
    case 'groups':
      return { type: 'groups', groups: to.groups.map(({ group }) => group) }
    case 'connections':
      return { type: 'connections', connections: to.connections }
    case 'all':
      return undefined
    default:
      throw to satisfies never
  }
}

/** The recipients of a new lookup with the stamps of the first one, which decide who has had the message. */
export function withStampsOf(to: Recipients, first: Recipients): Recipients {
  if (to.type === 'users' && first.type === 'users') {
    const stamps = new Map(first.users.map(({ uid, stamp }): [Uid, number] => [uid, stamp]))
    return { type: 'users', users: to.users.map(({ uid, stamp }) => ({ uid, stamp: stamps.get(uid) ?? stamp })) }
  }
  if (to.type === 'groups' && first.type === 'groups') {
    const stamps = new Map(first.groups.map(({ group, stamp }) => [group, stamp]))
    return {
      type: 'groups',
      groups: to.groups.map(({ group, stamp }) => ({ group, stamp: stamps.get(group) ?? stamp })),
    }
  }
  return to
}

/** The names that a receipt may list as offline. A group without members is empty, not offline. */
export function receiptNamesOf(to: Recipients): readonly string[] {
  if (to.type === 'users') return to.users.map(({ uid }) => uid)
  return to.type === 'connections' ? to.connections : []
}
