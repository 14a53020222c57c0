#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

/** The longest header of a server's frame, which has no mask. RFC 6455 §5.2 */
#define FRAME_MAX_HEADER 10
#define FRAME_MAX_SHORT 125

struct frame {
  uint8_t opcode;
  uint32_t header_length;
  uint64_t length;
};

/** Returns false if the header is not complete yet. */
bool frame_parse(const char *bytes, uint64_t length, struct frame *frame);

/** Writes a client's frame with at most 65,535 bytes of payload, and returns its length: at most 8 bytes more. */
uint32_t frame_write(char *out, uint8_t opcode, const char *payload, uint32_t length);
