#define _GNU_SOURCE
#include "meter.h"

#include <string.h>

#include "histogram.h"

/** The stamp stands this near to a message's start: Socket.IO puts eight bytes before the object. */
#define STAMP_WITHIN 32

static struct {
  uint64_t connections, messages, others, bytes, first, last;
  uint64_t round_stamp, round_count;
  struct histogram latencies, rounds;
} meter;

void meter_clear(uint64_t connections) {
  memset(&meter, 0, sizeof meter);
  meter.connections = connections;
}

/** 0 where there is none. */
static uint64_t stamp_in(const char *bytes, uint32_t length) {
  const char *end = bytes + length;
  const char *tag = memmem(bytes, length < STAMP_WITHIN ? length : STAMP_WITHIN, "\"t\":", 4);
  if (tag == NULL) return 0;
  uint64_t stamp = 0;
  for (const char *digit = tag + 4; digit < end && *digit >= '0' && *digit <= '9'; digit++) {
    stamp = stamp * 10 + (uint64_t)(*digit - '0');
  }
  return stamp;
}

static void end_round(void) {
  if (meter.round_count == meter.connections) histogram_add(&meter.rounds, meter.last - meter.round_stamp);
}

void meter_message(const char *bytes, uint32_t length, uint64_t now) {
  uint64_t stamp = stamp_in(bytes, length);
  if (stamp == 0 || stamp > now) {
    meter.others++;
    return;
  }
  if (stamp != meter.round_stamp) {
    end_round();
    meter.round_stamp = stamp;
    meter.round_count = 0;
  }
  meter.round_count++;
  if (meter.messages++ == 0) meter.first = now;
  meter.last = now;
  meter.bytes += length;
  histogram_add(&meter.latencies, now - stamp);
}

static void print_histogram(FILE *out, const char *name, const struct histogram *histogram) {
  fprintf(out, "\"%s\":{\"count\":%lu,\"p50\":%lu,\"p90\":%lu,\"p99\":%lu,\"p999\":%lu,\"max\":%lu}", name,
          histogram->count, histogram_quantile(histogram, 0.5), histogram_quantile(histogram, 0.9),
          histogram_quantile(histogram, 0.99), histogram_quantile(histogram, 0.999), histogram->max);
}

/** Nanoseconds everywhere. The round under way is ended first, for nothing may follow it. */
void meter_report(FILE *out) {
  end_round();
  meter.round_stamp = meter.round_count = 0;
  fprintf(out, "\"messages\":%lu,\"others\":%lu,\"bytes\":%lu,\"span\":%lu,", meter.messages, meter.others, meter.bytes,
          meter.last - meter.first);
  print_histogram(out, "latency", &meter.latencies);
  fputc(',', out);
  print_histogram(out, "round", &meter.rounds);
}
