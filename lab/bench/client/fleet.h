#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define FLEET_MAX_PORTS 64

/** How to connect. In `path` and `hello`, %d is replaced by the connection's index. */
struct fleet_plan {
  uint32_t count;
  uint32_t first_index;
  uint32_t at_once;
  uint16_t ports[FLEET_MAX_PORTS];
  uint32_t port_count;
  const char *path;
  /** A text frame that each connection sends first. */
  const char *hello;
  /**
   * The beginning of the text frame that says that a connection is ready. Without it, a connection is ready after the
   * 101.
   */
  const char *welcome;
  /** Frames carry NATS's protocol instead of one message each. */
  bool nats;
  /** A connection that is opened again uses the next port, as if a balancer had chosen it. */
  bool moves;
  /**
   * A connection that is refused, or breaks before it is ready, tries again after this many seconds; if 0, it does not.
   */
  double retry;
};

/** Opens every connection. Gives up after `patience` seconds. */
void fleet_open(const struct fleet_plan *plan, double patience);

/** Opens some of the connections again, with the same indices. */
void fleet_enter(uint32_t from, uint32_t count, double patience);

/**
 * Closes some of the connections at once, with a closing handshake. Whatever the server still sends them is not
 * measured.
 */
void fleet_leave(uint32_t from, uint32_t count);

/** The epoll descriptor; it becomes readable when something has arrived. */
int fleet_descriptor(void);

/** Reads everything that has arrived. If nothing has, waits up to this many milliseconds. */
void fleet_read(int timeout);

void fleet_report(FILE *out);
