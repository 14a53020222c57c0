#define _GNU_SOURCE
#include "fleet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "frame.h"
#include "meter.h"
#include "nats.h"

/** One source address has some 28,000 ports; so many are taken from each. */
#define CONNECTIONS_PER_SOURCE 10000
#define FIRST_SOURCE 0x7f000002u
#define MAX_EVENTS 1024
#define MAX_TEXT 2048

enum state { GREETING, JOINING, READY, GONE };

struct connection {
  int descriptor;
  enum state state;
  /** A piece of a frame, or of the answer to the handshake, whose rest has yet to come. */
  char *kept;
  uint32_t kept_length, kept_room;
  /** With NATS: payload of the frame under way that has yet to come. */
  uint64_t payload_left;
  struct nats_reader nats;
};

static struct {
  const struct fleet_plan *plan;
  struct connection *connections;
  int epoll;
  uint32_t ready, refused, closed;
  uint64_t opening;
} fleet;

/** Of the read under way. */
static uint64_t arrived_at;

// ---- out

static void give_up(struct connection *connection) {
  if (connection->state == READY) fleet.closed++;
  else fleet.refused++;
  connection->state = GONE;
  close(connection->descriptor);
}

/** What this client sends is short, and fits into an empty socket buffer. */
static bool send_all(struct connection *connection, const char *bytes, uint32_t length) {
  return send(connection->descriptor, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void send_frame(struct connection *connection, uint8_t opcode, const char *payload, uint32_t length) {
  char out[MAX_TEXT + 8];
  uint32_t out_length = frame_write(out, opcode, payload, length < MAX_TEXT ? length : MAX_TEXT);
  if (!send_all(connection, out, out_length)) give_up(connection);
}

static void send_text(struct connection *connection, const char *text) {
  send_frame(connection, OPCODE_TEXT, text, (uint32_t)strlen(text));
}

/** Puts the connection's index where the text has %d. */
static void fill_in(char *out, const char *text, const struct connection *connection) {
  uint32_t index = fleet.plan->first_index + (uint32_t)(connection - fleet.connections);
  char *end = out + MAX_TEXT - 16;
  while (*text != '\0' && out < end) {
    if (text[0] == '%' && text[1] == 'd') {
      out += sprintf(out, "%u", index);
      text += 2;
    } else {
      *out++ = *text++;
    }
  }
  *out = '\0';
}

// ---- in

static bool starts_with(const char *bytes, uint64_t length, const char *start) {
  size_t start_length = strlen(start);
  return length >= start_length && memcmp(bytes, start, start_length) == 0;
}

static void note_ready(struct connection *connection) {
  connection->state = READY;
  fleet.ready++;
}

static void on_text(struct connection *connection, const char *bytes, uint32_t length) {
  const char *welcome = fleet.plan->welcome;
  if (connection->state == JOINING && welcome != NULL && starts_with(bytes, length, welcome)) note_ready(connection);
}

static void on_nats_message(void *context, const char *head, uint32_t length) {
  (void)context;
  meter_message(head, length, arrived_at);
}

static void on_nats_line(void *context, const char *line, uint32_t length) {
  struct connection *connection = context;
  if (starts_with(line, length, "PING")) send_text(connection, "PONG\r\n");
  else if (starts_with(line, length, "-ERR")) fprintf(stderr, "NATS says %.*s\n", (int)length, line);
  else on_text(connection, line, length);
}

static void on_frame(struct connection *connection, const struct frame *frame, const char *payload) {
  uint32_t length = (uint32_t)frame->length;
  if (frame->opcode == OPCODE_PING) send_frame(connection, OPCODE_PONG, payload, length);
  else if (frame->opcode == OPCODE_CLOSE) give_up(connection);
  // Engine.IO's heartbeat is a message of its own.
  else if (length == 1 && *payload == '2') send_text(connection, "3");
  else if (connection->state == READY) meter_message(payload, length, arrived_at);
  else on_text(connection, payload, length);
}

static uint64_t read_nats(struct connection *connection, const char *bytes, uint64_t length) {
  uint64_t taken = length < connection->payload_left ? length : connection->payload_left;
  const struct nats_events events = {connection, on_nats_message, on_nats_line};
  connection->payload_left -= taken;
  nats_read(&connection->nats, bytes, taken, &events);
  return taken;
}

/** Says how many bytes were worked off; the rest waits for more. */
static uint64_t read_frames(struct connection *connection, const char *bytes, uint64_t length) {
  uint64_t at = 0;
  struct frame frame;
  while (connection->state != GONE) {
    if (connection->payload_left > 0) {
      if (at == length) return at;
      at += read_nats(connection, bytes + at, length - at);
      continue;
    }
    if (!frame_parse(bytes + at, length - at, &frame)) return at;
    if (fleet.plan->nats && frame.opcode <= 2) {
      at += frame.header_length;
      connection->payload_left = frame.length;
      continue;
    }
    if (frame.length > length - at - frame.header_length) return at;
    on_frame(connection, &frame, bytes + at + frame.header_length);
    at += frame.header_length + frame.length;
  }
  return length;
}

static uint64_t read_answer(struct connection *connection, const char *bytes, uint64_t length) {
  const char *end = memmem(bytes, length, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  if (!starts_with(bytes, length, "HTTP/1.1 101")) {
    if (fleet.refused == 0) fprintf(stderr, "refused with %.40s\n", bytes);
    give_up(connection);
    return length;
  }
  connection->state = JOINING;
  if (fleet.plan->welcome == NULL) note_ready(connection);
  if (fleet.plan->hello != NULL) {
    char text[MAX_TEXT];
    fill_in(text, fleet.plan->hello, connection);
    send_text(connection, text);
  }
  return (uint64_t)(end - bytes) + 4;
}

static void keep(struct connection *connection, const char *bytes, uint64_t length) {
  connection->kept_length = (uint32_t)length;
  if (length == 0) return;
  if (connection->kept_room < length) {
    connection->kept_room = length < 512 ? 512 : (uint32_t)length;
    free(connection->kept);
    connection->kept = malloc(connection->kept_room);
  }
  memcpy(connection->kept, bytes, length);
}

static void read_connection(struct connection *connection) {
  static char buffer[1 << 18];
  uint32_t kept = connection->kept_length;
  memcpy(buffer, connection->kept, kept);
  ssize_t got = recv(connection->descriptor, buffer + kept, sizeof buffer - kept, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    give_up(connection);
    return;
  }
  arrived_at = now_ns();
  uint64_t length = kept + (uint64_t)got;
  uint64_t at = connection->state == GREETING ? read_answer(connection, buffer, length) : 0;
  if (connection->state != GREETING) at += read_frames(connection, buffer + at, length - at);
  if (connection->state != GONE) keep(connection, buffer + at, length - at);
}

// ---- opening

static int connect_from(uint32_t source, uint16_t port) {
  int descriptor = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // The port is chosen when the other end is known: thus one address can be used for more of them.
  setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(FIRST_SOURCE + source)};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (descriptor < 0 || bind(descriptor, (void *)&from, sizeof from) < 0 ||
      connect(descriptor, (void *)&to, sizeof to) < 0) {
    perror("cannot connect");
    exit(1);
  }
  fcntl(descriptor, F_SETFL, O_NONBLOCK);
  return descriptor;
}

static void greet(struct connection *connection, uint32_t index) {
  const struct fleet_plan *plan = fleet.plan;
  uint16_t port = plan->ports[index % plan->port_count];
  char path[MAX_TEXT], request[MAX_TEXT + 256];
  fill_in(path, plan->path, connection);
  int length = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ZmxvdGlsbGEtYmVuY2gtMQ==\r\n\r\n",
                        path, port);
  connection->descriptor = connect_from(index / CONNECTIONS_PER_SOURCE, port);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  epoll_ctl(fleet.epoll, EPOLL_CTL_ADD, connection->descriptor, &event);
  if (!send_all(connection, request, (uint32_t)length)) give_up(connection);
}

void fleet_open(const struct fleet_plan *plan, double patience) {
  fleet.plan = plan;
  fleet.connections = calloc(plan->count, sizeof *fleet.connections);
  fleet.epoll = epoll_create1(0);
  uint64_t begin = now_ns(), deadline = begin + (uint64_t)(patience * 1e9);
  uint32_t started = 0;
  while (fleet.ready + fleet.refused + fleet.closed < plan->count && now_ns() < deadline) {
    while (started < plan->count && started - fleet.ready - fleet.refused < plan->at_once) {
      greet(&fleet.connections[started], started);
      started++;
    }
    fleet_read(10);
  }
  fleet.opening = now_ns() - begin;
}

int fleet_descriptor(void) { return fleet.epoll; }

void fleet_read(int timeout) {
  static struct epoll_event events[MAX_EVENTS];
  int count = epoll_wait(fleet.epoll, events, MAX_EVENTS, timeout);
  for (int i = 0; i < count; i++) {
    struct connection *connection = events[i].data.ptr;
    if (connection->state != GONE) read_connection(connection);
  }
}

void fleet_report(FILE *out) {
  fprintf(out, "\"ready\":%u,\"refused\":%u,\"closed\":%u,\"opening\":%lu", fleet.ready, fleet.refused, fleet.closed,
          fleet.opening);
}
