import { align } from '../../report/align.ts'
import { percentile } from '../../report/numbers.ts'
import type { Finding, Violation } from '../checker/verdict.ts'
import type { Connection, History, Push } from '../history.ts'
import type { Result } from '../run.ts'

const SHOWN = 5
const NEARBY = 4_000

/** The report of one run, in Markdown. */
export function pageOf(result: Result): string {
  const { settings, verdict } = result
  return [
    `# Chaos, seed ${settings.seed}: ${verdict.isKept ? 'every promise was kept' : 'promises were broken'}`,
    aboutOf(result),
    '![What happened when](timeline.svg)',
    '## Faults',
    faultsOf(result.history),
    '## Promises',
    promisesOf(verdict.findings),
    ...verdict.findings.map((finding) => violationsOf(finding, result.history)).filter((text) => text !== ''),
    '',
  ].join('\n\n')
}

function aboutOf({ settings, history, cpuSeconds, longestStall }: Result): string {
  const { nodes, store, clients, rate, seconds, heartbeat, deadAfter, seed, clocks } = settings
  const received = history.connections.reduce((sum, each) => sum + each.received.length, 0)
  const latencies = history.connections.flatMap((each) =>
    each.received.map((number, index) => each.receivedAt[index]! - history.pushes[number]!.lastCalledAt),
  )
  const p = (part: number): string => `${(percentile(latencies, part) ?? 0).toFixed(0)} ms`
  return [
    `${nodes} nodes, store \`${store}\`, ${clients} clients, ${rate} pushes a second for ${seconds} s, heartbeat ${heartbeat} ms, dead after ${deadAfter} ms.${clocks.length === 0 ? '' : ` The clocks of the store's servers are off by ${clocks.join(', ')} ms.`}`,
    `${number(history.pushes.length)} pushes, ${number(received)} messages received over ${number(history.connections.length)} connections; from the call to the receipt: median ${p(0.5)}, p99 ${p(0.99)}. The harness itself took ${cpuSeconds.toFixed(0)} s of CPU, and stood still for ${longestStall.toFixed(0)} ms at most. If that is much more than 200, the machine was too busy for these settings.`,
    `Again: \`npm run chaos -- --seed ${seed} --seconds ${seconds} --nodes ${nodes} --clients ${clients} --rate ${rate} --store ${store} --heartbeat ${heartbeat} --dead-after ${deadAfter} --clocks ${clocks.length === 0 ? 'right' : 'apart'}\``,
  ].join('\n')
}

function faultsOf({ faults, pushes, refusals }: History): string {
  const rows = faults.map(({ name, detail, from, to }, index) => {
    const until = faults[index + 1]?.from ?? Number.POSITIVE_INFINITY
    const failed = pushes.filter((each) => each.outcome !== 'resolved' && isWithin(each.firstCalledAt, from, until))
    const refused = refusals.filter(({ at }) => isWithin(at, from, until))
    const last = Math.max(from, ...failed.map((each) => each.firstCalledAt), ...refused.map(({ at }) => at))
    return [
      String(index + 1),
      name,
      detail,
      `${seconds(from)} to ${seconds(to)}`,
      number(failed.length),
      number(refused.length),
      failed.length + refused.length === 0 ? '' : seconds(last - from),
    ]
  })
  return align([['', 'fault', 'what', 'when', 'pushes failed', 'clients refused', 'all well after'], ...rows], 'left')
}

function isWithin(at: number, from: number, until: number): boolean {
  return at >= from && at < until
}

function promisesOf(findings: readonly Finding[]): string {
  const rows = findings.map(({ promise, checked, violations, exempt, notes }) => [
    promise,
    violations.length === 0 ? 'kept' : `**broken ${number(violations.length)} times**`,
    checked,
    [...notes, ...[...exempt].map(([why, count]) => `${number(count)} ${why}`)].join('; '),
  ])
  return align([['', '', 'checked', 'not counted as broken'], ...rows], 'left')
}

function violationsOf({ promise, violations }: Finding, history: History): string {
  if (violations.length === 0) return ''
  const shown = violations.slice(0, SHOWN).map((violation) => storyOf(violation, history))
  const more = violations.length > SHOWN ? [`… and ${number(violations.length - SHOWN)} more.`] : []
  return [`## Broken: ${promise}`, ...shown, ...more].join('\n\n')
}

function storyOf({ at, what, push: pushNumber, other, connections, uids }: Violation, history: History): string {
  const push = pushNumber === undefined ? undefined : history.pushes[pushNumber]
  const from = Math.min(at, push?.firstCalledAt ?? at) - NEARBY
  const until =
    Math.max(at, push === undefined || push.settledAt === Number.POSITIVE_INFINITY ? at : push.settledAt) + NEARBY
  const involved = history.connections.filter(
    (each) =>
      connections.includes(each.number) || (uids.includes(each.uid) && each.closedAt >= from && each.openedAt <= until),
  )
  const happened = [
    ...history.faults.flatMap(({ name, from: begin, to }) => [
      { at: begin, text: `${name} begins` },
      { at: to, text: `${name} ends` },
    ]),
    ...history.nodes.map((event) => ({ at: event.at, text: `n${event.slot} (${event.node}) ${event.type}` })),
  ]
  const nearby = happened.filter((each) => each.at >= from && each.at <= until).toSorted((a, b) => a.at - b.at)
  return [
    `- ${seconds(at)}: ${what}`,
    ...(push === undefined ? [] : [`  - the push: ${describePush(push)}`]),
    ...(other === undefined ? [] : [`  - the other: ${describePush(history.pushes[other]!)}`]),
    ...involved.slice(0, 6).map((each) => `  - ${describeConnection(each, push)}`),
    ...nearby.slice(0, 30).map((each) => `  - ${seconds(each.at)}: ${each.text}`),
  ].join('\n')
}

function describePush(push: Push): string {
  const { publisher, kind, uids, group, except, id, firstCalledAt, lastCalledAt, callCount, settledAt, outcome } = push
  const target = kind === 'uid' ? `uid ${uids.join(', ')}` : kind === 'group' ? `group ${group}` : 'all'
  const calls = callCount > 1 ? `, ${callCount} times, last at ${seconds(lastCalledAt)}` : ''
  return `#${push.number} by ${publisher} to ${target}${except.length > 0 ? `, except ${except.join(', ')}` : ''}${id === undefined ? '' : `, id ${id}`}; called at ${seconds(firstCalledAt)}${calls}; ${outcome} at ${seconds(settledAt)}${push.error === undefined ? '' : ` (${push.error})`}${push.offline.length > 0 ? `, offline: ${push.offline.join(', ')}` : ''}`
}

function describeConnection(connection: Connection, push: Push | undefined): string {
  const {
    number: name,
    uid,
    slot,
    node,
    openedAt,
    leavingAt,
    closedAt,
    ending,
    code,
    received,
    receivedAt,
  } = connection
  const end =
    closedAt === Number.POSITIVE_INFINITY
      ? 'open'
      : `${ending}${code === undefined ? '' : ` ${code}`} at ${seconds(closedAt)}`
  const copies = received.flatMap((each, index) => (each === push?.number ? [seconds(receivedAt[index]!)] : []))
  const got = push === undefined ? '' : copies.length === 0 ? '; never got it' : `; got it at ${copies.join(', ')}`
  return `connection ${name} of ${uid} on n${slot} (${node}), opened at ${seconds(openedAt)}${leavingAt === Number.POSITIVE_INFINITY ? '' : `, leaving at ${seconds(leavingAt)}`}, ${end}${got}`
}

/** All violations, one per line. */
export function brokenOf({ verdict, history }: Result): string {
  const lines = verdict.findings.flatMap(({ promise, violations }) =>
    violations.map(({ at, what, push }) => {
      const about = push === undefined ? '' : `: ${describePush(history.pushes[push]!)}`
      return `${promise} ${seconds(at)} ${what}${about}\n`
    }),
  )
  return lines.join('')
}

/** All pushes that did not resolve, one per line. */
export function failedOf({ pushes }: History): string {
  const failed = pushes.filter(({ outcome }) => outcome !== 'resolved')
  return failed.map((push) => `${describePush(push)}\n`).join('')
}

function seconds(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? 'never' : `${(ms / 1_000).toFixed(3)} s`
}

function number(value: number): string {
  return value.toLocaleString('en')
}
