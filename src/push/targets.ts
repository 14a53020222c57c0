import type { Recipients } from '../envelope/envelope.ts'
import type { Uid } from '../envelope/ids.ts'
import type { ParsedTarget } from '../envelope/target.ts'

/** A target that a lookup finds. What is for everyone is not looked up. */
export type LocatableTarget = Exclude<ParsedTarget, { type: 'all' }>

/** Names that two targets share if anybody may be in both by the same name. A user and a group never share one. */
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

/** The target that these recipients are a part of: nothing for everyone, who are not looked up. */
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

/** The recipients that a new lookup found, with the stamps of the first one: those decide who has had the message. */
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

/** Whom a receipt may name as offline. A group that nobody is in is empty, not offline. */
export function receiptNamesOf(to: Recipients): readonly string[] {
  if (to.type === 'users') return to.users.map(({ uid }) => uid)
  return to.type === 'connections' ? to.connections : []
}
