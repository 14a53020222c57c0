#pragma once

#include <stdint.h>

enum journal_event { JOURNAL_READY = 1, JOURNAL_LEFT = 2, JOURNAL_MESSAGE = 3 };

/**
 * Begins to record when connections come and go and what they receive, except for NATS's messages. A row consists of
 * two doubles (when it happened, and when the message was sent) and two 32-bit numbers (the connection and the event).
 * Times are nanoseconds.
 */
void journal_open(const char *path);

/** Does nothing if there is no journal. */
void journal_note(enum journal_event event, uint32_t connection, uint64_t at, uint64_t sent);

/** Afterwards all rows in the file are complete. */
void journal_flush(void);
