#pragma once

#include <stdint.h>
#include <stdio.h>

/** What has arrived since the meter was cleared. A round is one message to every connection; only full ones count. */
void meter_clear(uint64_t connections);

/** A message came in at `now`; its first bytes hold `"t":` and when it was sent. One without counts as `others`. */
void meter_message(const char *bytes, uint32_t length, uint64_t now);

void meter_report(FILE *out);
