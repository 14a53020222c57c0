#include "frame.h"

#include <string.h>

static uint64_t big_endian(const uint8_t *bytes, uint32_t count) {
  uint64_t value = 0;
  for (uint32_t i = 0; i < count; i++) value = value << 8 | bytes[i];
  return value;
}

bool frame_parse(const char *bytes, uint64_t length, struct frame *frame) {
  const uint8_t *header = (const uint8_t *)bytes;
  if (length < 2) return false;
  uint8_t first = header[1] & 127;
  uint32_t extra = first == 127 ? 8 : first == 126 ? 2 : 0;
  if (length < 2 + extra) return false;
  frame->opcode = header[0] & 15;
  frame->header_length = 2 + extra;
  frame->length = extra == 0 ? first : big_endian(header + 2, extra);
  return true;
}

uint32_t frame_write(char *out, uint8_t opcode, const char *payload, uint32_t length) {
  uint32_t at = 0;
  out[at++] = (char)(0x80 | opcode);
  if (length <= FRAME_MAX_SHORT) {
    out[at++] = (char)(0x80 | length);
  } else {
    out[at++] = (char)(0x80 | 126);
    out[at++] = (char)(length >> 8);
    out[at++] = (char)length;
  }
  // A mask of zeros does not change the payload.
  memset(out + at, 0, 4);
  memcpy(out + at + 4, payload, length);
  return at + 4 + length;
}
