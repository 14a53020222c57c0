#define _GNU_SOURCE
#include "nats.h"

#include <string.h>

#define LINE_END 2

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

/** MSG subject sid [reply] SIZE */
static uint32_t size_of(const char *line, uint32_t length) {
  const char *space = memrchr(line, ' ', length);
  uint32_t size = 0;
  for (const char *digit = space + 1; digit < line + length && *digit >= '0' && *digit <= '9'; digit++) {
    size = size * 10 + (uint32_t)(*digit - '0');
  }
  return size;
}

static void on_line(struct nats_reader *reader, const char *line, uint32_t length, const struct nats_events *events) {
  if (length < 4 || memcmp(line, "MSG ", 4) != 0) {
    events->line(events->context, line, length);
    return;
  }
  uint32_t size = size_of(line, length);
  reader->body_left = size + LINE_END;
  reader->head_wanted = (uint32_t)smaller(size, sizeof reader->kept);
}

static void keep(struct nats_reader *reader, const char *bytes, uint64_t length) {
  uint32_t room = (uint32_t)sizeof reader->kept - reader->kept_length;
  uint32_t taken = (uint32_t)smaller(length, room);
  memcpy(reader->kept + reader->kept_length, bytes, taken);
  reader->kept_length += taken;
}

static uint64_t read_line(struct nats_reader *reader, const char *bytes, uint64_t length,
                          const struct nats_events *events) {
  const char *end = memchr(bytes, '\n', length);
  uint64_t taken = end == NULL ? length : (uint64_t)(end - bytes) + 1;
  if (end != NULL && reader->kept_length == 0) {
    on_line(reader, bytes, (uint32_t)taken, events);
    return taken;
  }
  keep(reader, bytes, taken);
  if (end == NULL) return taken;
  uint32_t kept = reader->kept_length;
  reader->kept_length = 0;
  on_line(reader, reader->kept, kept, events);
  return taken;
}

/** How many bytes of the message's beginning are in this piece. The message is passed on with the last of them. */
static uint64_t read_head(struct nats_reader *reader, const char *bytes, uint64_t length,
                          const struct nats_events *events) {
  uint32_t size = (uint32_t)(reader->body_left + reader->kept_length) - LINE_END;
  uint64_t taken = smaller(length, reader->head_wanted - reader->kept_length);
  const char *head = bytes;
  if (taken < reader->head_wanted) {
    keep(reader, bytes, taken);
    if (reader->kept_length < reader->head_wanted) return taken;
    head = reader->kept;
  }
  reader->head_wanted = reader->kept_length = 0;
  events->message(events->context, head, size);
  return taken;
}

void nats_read(struct nats_reader *reader, const char *bytes, uint64_t length, const struct nats_events *events) {
  const char *end = bytes + length;
  while (bytes < end) {
    uint64_t left = (uint64_t)(end - bytes);
    if (reader->body_left == 0) {
      bytes += read_line(reader, bytes, left, events);
      continue;
    }
    uint64_t taken =
        reader->head_wanted > 0 ? read_head(reader, bytes, left, events) : smaller(left, reader->body_left);
    reader->body_left -= taken;
    bytes += taken;
  }
}
