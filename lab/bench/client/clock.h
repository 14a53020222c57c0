#pragma once

#include <stdint.h>
#include <time.h>

/** Nanoseconds of CLOCK_MONOTONIC. Node's process.hrtime reads the same clock, so stamps of both can be compared. */
static inline uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
