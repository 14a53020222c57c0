#pragma once

#include <stdint.h>
#include <stdio.h>

/** What has arrived since the meter was cleared. A round is one message to each of so many connections; 0 counts none. */
void meter_clear(uint64_t round_size);

/** When a message was sent: its first bytes hold `"t":` and that. 0 where there is none. */
uint64_t stamp_in(const char *bytes, uint32_t length);

/** A message came in at `now`. One without a stamp counts as `others`. */
void meter_message(const char *bytes, uint32_t length, uint64_t now);

void meter_report(FILE *out);
