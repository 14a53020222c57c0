#include "histogram.h"

/** How many low bits of the value must be dropped, so that the rest numbers one of the steps of a power of two. */
static unsigned dropped_bits(uint64_t value) {
  unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
  return bits <= HISTOGRAM_STEP_BITS + 1 ? 0 : bits - HISTOGRAM_STEP_BITS - 1;
}

static unsigned slot_of(uint64_t value) {
  unsigned dropped = dropped_bits(value);
  return (dropped << HISTOGRAM_STEP_BITS) + (unsigned)(value >> dropped);
}

/** The greatest value that belongs to the slot. */
static uint64_t top_of(unsigned slot) {
  unsigned power = slot >> HISTOGRAM_STEP_BITS;
  unsigned dropped = power == 0 ? 0 : power - 1;
  uint64_t kept = slot - ((uint64_t)dropped << HISTOGRAM_STEP_BITS);
  return ((kept + 1) << dropped) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value) {
  histogram->slots[slot_of(value)]++;
  histogram->count++;
  if (value > histogram->max) histogram->max = value;
}

uint64_t histogram_quantile(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)(share * (double)histogram->count);
  uint64_t seen = 0;
  for (unsigned slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
    seen += histogram->slots[slot];
    if (seen > wanted) return top_of(slot) < histogram->max ? top_of(slot) : histogram->max;
  }
  return histogram->max;
}

void histogram_report(const struct histogram *histogram, const char *name, FILE *out) {
  fprintf(out, "\"%s\":{\"count\":%lu,\"p50\":%lu,\"p90\":%lu,\"p99\":%lu,\"p999\":%lu,\"max\":%lu}", name,
          histogram->count, histogram_quantile(histogram, 0.5), histogram_quantile(histogram, 0.9),
          histogram_quantile(histogram, 0.99), histogram_quantile(histogram, 0.999), histogram->max);
}
