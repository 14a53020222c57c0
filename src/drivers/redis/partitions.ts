import { PARTITION_COUNT } from '../../envelope/ids.ts'
import type { Commands, RedisClient } from './connection/client.ts'

export const ALL_PARTITIONS: readonly number[] = Array.from({ length: PARTITION_COUNT }, (_, partition) => partition)

/** Sends a command for every partition, in one round trip. */
export function forAllPartitions(
  client: RedisClient,
  command: (redis: Commands, partition: number) => Promise<unknown>,
): Promise<unknown[]> {
  return client.batch((redis) => ALL_PARTITIONS.map((partition) => command(redis, partition)))
}
