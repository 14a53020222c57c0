#pragma once

#include <stdint.h>
#include <stdio.h>

/** The steps that each power of two is divided into, which makes values exact to 1.6 %. */
#define HISTOGRAM_STEP_BITS 6
#define HISTOGRAM_SLOTS ((65 - HISTOGRAM_STEP_BITS) << HISTOGRAM_STEP_BITS)

struct histogram {
  uint64_t slots[HISTOGRAM_SLOTS];
  uint64_t count;
  uint64_t max;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/** The quantile of a share between 0 and 1; 0 if there are no values. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

/** Prints its quantiles as a member of a JSON object. */
void histogram_report(const struct histogram *histogram, const char *name, FILE *out);
