/** How far the stamps of two partitions may be apart at one moment, in µs: masters' clocks have to agree within it. */
export const STAMP_SKEW = 1_000_000

/**
 * A group's stamp, as it is compared with a user's: with the oldest that the user's partition may have given then. Who is
 * younger than that may have had the message all the same, so it has to be remembered who had.
 */
export function acrossPartitions(stamp: number): number {
  return Math.max(0, stamp - STAMP_SKEW)
}
