#pragma once

#include <stdint.h>

/** Reads NATS's text protocol. A WebSocket frame carries any part of it: several messages, or a piece of one. */
struct nats_reader {
  /** For the current message: how many bytes there are before the next line. */
  uint64_t body_left;
  /** For the current message: how many bytes have to arrive before it is passed on. */
  uint32_t head_wanted;
  /** The beginning of a line, or of a message, that has not arrived completely. */
  char kept[64];
  uint32_t kept_length;
};

struct nats_events {
  void *context;
  /** Called with the beginning of a message, long enough for a stamp, and the length of the whole message. */
  void (*message)(void *context, const char *head, uint32_t length);
  /** Called with a line other than MSG (INFO, PING, PONG, -ERR), cut to 64 bytes. */
  void (*line)(void *context, const char *bytes, uint32_t length);
};

void nats_read(struct nats_reader *reader, const char *bytes, uint64_t length, const struct nats_events *events);
