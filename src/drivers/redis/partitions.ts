import { PARTITION_COUNT } from '../../protocol/ids.ts'
import type { Pipeline, RedisClient } from './client.ts'

export const ALL_PARTITIONS: readonly number[] = Array.from({ length: PARTITION_COUNT }, (_, partition) => partition)

/** The same for every partition, in one round trip. */
export function forAllPartitions(
  client: RedisClient,
  fill: (pipeline: Pipeline, partition: number) => unknown,
): Promise<unknown[]> {
  return client.pipeline((pipeline) => {
    for (const partition of ALL_PARTITIONS) void fill(pipeline, partition)
  })
}
