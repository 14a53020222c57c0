#pragma once

#include <stdint.h>

/** NATS's text protocol. A WebSocket frame holds any part of it: many messages, or a piece of one. */
struct nats_reader {
  /** Of the message under way: bytes up to the next line. */
  uint64_t body_left;
  /** Of the message under way: bytes that have to be there before it is handed on. */
  uint32_t head_wanted;
  /** The beginning of a line, or of a message, whose rest has yet to come. */
  char kept[64];
  uint32_t kept_length;
};

struct nats_events {
  void *context;
  /** The beginning of a message, enough of it for a stamp, and the length of all of it. */
  void (*message)(void *context, const char *head, uint32_t length);
  /** A line other than MSG: INFO, PING, PONG, -ERR. At most its first 64 bytes. */
  void (*line)(void *context, const char *bytes, uint32_t length);
};

void nats_read(struct nats_reader *reader, const char *bytes, uint64_t length, const struct nats_events *events);
