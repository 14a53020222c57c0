#define _GNU_SOURCE
#include "meter.h"

#include <string.h>

#include "histogram.h"

/**
 * The stamp is searched for in the first bytes of a message, because Socket.IO puts eight bytes before the object.
 */
#define STAMP_WITHIN 32

/** How many rounds may be in progress at once. */
#define OPEN_ROUNDS 16

struct round {
  uint64_t stamp, count;
};

static struct {
  uint64_t round_size;
  uint64_t messages, others, bytes, first, last;
  struct round open[OPEN_ROUNDS];
  uint32_t newest;
  struct histogram latencies, rounds;
} meter;

void meter_clear(uint64_t round_size) {
  memset(&meter, 0, sizeof meter);
  meter.round_size = round_size;
}

uint64_t stamp_in(const char *bytes, uint32_t length) {
  const char *end = bytes + length;
  const char *tag = memmem(bytes, length < STAMP_WITHIN ? length : STAMP_WITHIN, "\"t\":", 4);
  if (tag == NULL) return 0;
  uint64_t stamp = 0;
  for (const char *digit = tag + 4; digit < end && *digit >= '0' && *digit <= '9'; digit++) {
    stamp = stamp * 10 + (uint64_t)(*digit - '0');
  }
  return stamp;
}

/** The round with this stamp. A new round replaces the oldest. */
static struct round *round_of(uint64_t stamp) {
  for (uint32_t age = 0; age < OPEN_ROUNDS; age++) {
    struct round *round = &meter.open[(meter.newest - age) % OPEN_ROUNDS];
    if (round->stamp == stamp) return round;
  }
  struct round *fresh = &meter.open[++meter.newest % OPEN_ROUNDS];
  *fresh = (struct round){.stamp = stamp};
  return fresh;
}

void meter_message(const char *bytes, uint32_t length, uint64_t now) {
  uint64_t stamp = stamp_in(bytes, length);
  if (stamp == 0 || stamp > now) {
    meter.others++;
    return;
  }
  if (meter.messages++ == 0) meter.first = now;
  meter.last = now;
  meter.bytes += length;
  histogram_add(&meter.latencies, now - stamp);
  if (meter.round_size > 0 && ++round_of(stamp)->count == meter.round_size) histogram_add(&meter.rounds, now - stamp);
}

/** All times are nanoseconds. */
void meter_report(FILE *out) {
  fprintf(out, "\"messages\":%lu,\"others\":%lu,\"bytes\":%lu,\"span\":%lu,", meter.messages, meter.others, meter.bytes,
          meter.last - meter.first);
  histogram_report(&meter.latencies, "latency", out);
  fputc(',', out);
  histogram_report(&meter.rounds, "round", out);
}
