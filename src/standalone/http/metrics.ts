import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { Server, ServerStats } from '../../index.ts'

/** In ms. A scrape must not hang while the store is away. */
const STORE_PATIENCE = 1000

/** Prometheus metrics of one node: its own counts, the cluster as it sees it, and its process. */
export function createMetrics(server: Server, wrongKeyCount: () => number): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const gauge = (name: string, help: string, read: (stats: ServerStats) => number): void => {
    const metric: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => metric.set(read(server.stats())),
    })
  }
  const counter = (name: string, help: string, read: (stats: ServerStats) => number): void => {
    const collect = (): void => {
      metric.reset()
      metric.inc(read(server.stats()))
    }
    const metric: Counter = new Counter({ name, help, registers: [registry], collect })
  }
  gauge('flotilla_connections', 'Open connections on this node', (stats) => stats.connectionCount)
  gauge('flotilla_users', 'Users with a connection on this node', (stats) => stats.userCount)
  gauge('flotilla_groups', 'Groups with a member on this node', (stats) => stats.groupCount)
  counter('flotilla_pushes_total', 'Pushes made through this node', (stats) => stats.pushCount)
  counter('flotilla_delivered_total', 'Messages handed to connections of this node', (stats) => stats.deliveredCount)
  counter('flotilla_undelivered_total', 'Messages that found nobody', (stats) => stats.undeliveredCount)
  counter('flotilla_poisoned_total', 'Inbox entries set aside as unreadable', (stats) => stats.poisonedCount)
  gauge('flotilla_waiting_bytes', 'Bytes of pushes that wait for the store', (stats) => stats.waitingBytes)
  counter('flotilla_pushes_delayed_total', 'Pushes that had to wait for room', (stats) => stats.delayedCount)
  counter('flotilla_pushes_refused_total', 'Pushes refused because there was no room', (stats) => stats.refusedCount)
  counter('flotilla_dropped_total', 'Messages dropped because clients were too slow', (stats) => stats.droppedCount)
  counter(
    'flotilla_collapsed_total',
    'Messages replaced by a newer one with the same key',
    (stats) => stats.collapsedCount,
  )
  counter(
    'flotilla_too_slow_total',
    'Connections closed because their client was too slow',
    (stats) => stats.tooSlowCount,
  )
  counter('flotilla_lagged_total', 'Connections that lagged over 250 ms', (stats) => stats.laggedCount)
  counter(
    'flotilla_turned_away_total',
    'Clients refused, or closed to make room, because there were too many',
    (stats) => stats.turnedAwayCount,
  )
  counter(
    'flotilla_out_of_descriptors_total',
    'Times that hardly a file descriptor was left',
    (stats) => stats.outOfDescriptorsCount,
  )
  counter(
    'flotilla_flooded_total',
    'Connections closed because their client sent too much',
    (stats) => stats.floodedCount,
  )
  counter(
    'flotilla_forgotten_departures_total',
    'Members who left a group and were forgotten early, because too many left',
    (stats) => stats.forgottenDepartureCount,
  )
  counter(
    'flotilla_forgotten_deliveries_total',
    'Deliveries forgotten within a minute, because there were too many',
    (stats) => stats.forgottenDeliveryCount,
  )
  counter('flotilla_wrong_keys_total', 'Requests with a wrong API key', wrongKeyCount)
  addClusterGauges(registry, server)
  return registry
}

/** Counts of the whole cluster. While the store is away, a scrape leaves them out: an unknown number is not 0. */
function addClusterGauges(registry: Registry, server: Server): void {
  const registers = [registry]
  const connections = new Gauge({
    name: 'flotilla_cluster_connections',
    help: 'Open connections in the cluster',
    registers,
  })
  const nodes: Gauge = new Gauge({
    name: 'flotilla_nodes',
    help: 'Live nodes of the cluster',
    registers,
    async collect() {
      const counts = await countsOf(server)
      connections.remove()
      nodes.remove()
      if (counts === undefined) return
      connections.set(counts.connectionCount)
      nodes.set(counts.nodeCount)
    },
  })
}

async function countsOf({ cluster }: Server) {
  const given = cluster.counts().catch(() => undefined)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, STORE_PATIENCE, undefined)
  })
  return await Promise.race([given, late]).finally(() => clearTimeout(timer))
}
