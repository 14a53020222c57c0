#pragma once

#include <stdint.h>
#include <stdio.h>

/**
 * Measures what has arrived since it was cleared. A round is one message to each of `round_size` connections;
 * with 0 no rounds are counted.
 */
void meter_clear(uint64_t round_size);

/** When a message was sent: the number after `"t":` among its first bytes. Returns 0 if there is none. */
uint64_t stamp_in(const char *bytes, uint32_t length);

/** Counts a message that arrived at `now`. A message without a stamp counts as `others`. */
void meter_message(const char *bytes, uint32_t length, uint64_t now);

void meter_report(FILE *out);
