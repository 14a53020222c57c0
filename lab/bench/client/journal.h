#pragma once

#include <stdint.h>

enum journal_event { JOURNAL_READY = 1, JOURNAL_LEFT = 2, JOURNAL_MESSAGE = 3 };

/**
 * From now on it is written down who comes, who goes, and what they get; NATS's messages are not. A row is two doubles, when
 * it happened and when the message was sent, and two 32-bit numbers, which connection and which event; times are nanoseconds.
 */
void journal_open(const char *path);

/** Does nothing while there is no journal. */
void journal_note(enum journal_event event, uint32_t connection, uint64_t at, uint64_t sent);

/** What is in the file then is whole. */
void journal_flush(void);
