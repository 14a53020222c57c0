#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define FLEET_MAX_PORTS 64

/** What to connect to. In `path` and `hello`, %d becomes the connection's index. */
struct fleet_plan {
  uint32_t count;
  uint32_t first_index;
  uint32_t at_once;
  uint16_t ports[FLEET_MAX_PORTS];
  uint32_t port_count;
  const char *path;
  /** A text frame that each connection sends first. */
  const char *hello;
  /** How the text begins that says that a connection is ready; without it, it is ready with its 101. */
  const char *welcome;
  /** Frames hold NATS's protocol instead of one message each. */
  bool nats;
  /** Each comes to the next port when it is opened once more, as a balancer would have it. */
  bool moves;
  /** One that is refused, or broken before it is ready, tries again after so many seconds; 0: it does not. */
  double retry;
};

/** Opens every connection; gives up after so many seconds. */
void fleet_open(const struct fleet_plan *plan, double patience);

/** Opens some of them once more, with the indices that they had. */
void fleet_enter(uint32_t from, uint32_t count, double patience);

/** Closes some of them in good order, all at once; what the server still sends them is not measured. */
void fleet_leave(uint32_t from, uint32_t count);

/** The epoll descriptor that is readable when something has arrived. */
int fleet_descriptor(void);

/** Reads what has arrived; waits for it so many milliseconds at most. */
void fleet_read(int timeout);

void fleet_report(FILE *out);
