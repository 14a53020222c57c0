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
#include "histogram.h"
#include "journal.h"
#include "meter.h"
#include "nats.h"

/** One source address has about 28,000 ports, so each address is used for this many connections. */
#define CONNECTIONS_PER_SOURCE 10000
#define FIRST_SOURCE 0x7f000002u
#define MAX_EVENTS 1024
#define MAX_TEXT 2048
/** After this time a connection no longer waits for the server to answer its close frame. */
#define FAREWELL_NS 5000000000u

/** A connection is LEFT from the time when it has sent its close frame until the server has closed it. */
enum state { GONE, CONNECTING, GREETING, JOINING, READY, LEFT };

struct connection {
  int descriptor;
  enum state state;
  /** How often it was closed by `fleet_leave`. */
  uint32_t departures;
  /** When its first attempt to connect began. Further attempts after refusals do not change it. */
  uint64_t since;
  /** The beginning of a frame, or of the answer to the handshake, that has not arrived completely. */
  char *kept;
  uint32_t kept_length, kept_room;
  /** With NATS: how much payload of the current frame has not arrived yet. */
  uint64_t payload_left;
  struct nats_reader nats;
};

static struct {
  const struct fleet_plan *plan;
  struct connection *connections;
  int epoll;
  /** `pending` counts the connections that are not ready yet, including those that wait to try again. */
  uint32_t ready, refused, closed, pending;
  uint64_t opening;
  struct histogram entrances;
  /** A ring of the connections that wait to try again. All of them wait equally long, so they are in order. */
  struct retry {
    uint32_t index;
    uint64_t at;
  } *retries;
  uint32_t first_retry, retry_count;
} fleet;

/** The state of the current read. */
static uint64_t arrived_at;

// ---- out

static uint32_t place_of(const struct connection *connection) { return (uint32_t)(connection - fleet.connections); }

static void try_later(const struct connection *connection) {
  uint32_t end = (fleet.first_retry + fleet.retry_count++) % fleet.plan->count;
  fleet.retries[end] = (struct retry){place_of(connection), now_ns() + (uint64_t)(fleet.plan->retry * 1e9)};
}

static void drop(struct connection *connection) {
  connection->state = GONE;
  connection->kept_length = 0;
  close(connection->descriptor);
}

static void give_up(struct connection *connection) {
  enum state state = connection->state;
  drop(connection);
  if (state == LEFT) return;
  if (state == READY) {
    fleet.ready--;
    fleet.closed++;
    journal_note(JOURNAL_LEFT, place_of(connection), now_ns(), 0);
    return;
  }
  fleet.refused++;
  if (fleet.plan->retry > 0) try_later(connection);
  else fleet.pending--;
}

/** Everything that this client sends is short enough for an empty socket buffer. */
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

/** Replaces %d in the text with the connection's index. */
static void fill_in(char *out, const char *text, const struct connection *connection) {
  uint32_t index = fleet.plan->first_index + place_of(connection);
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
  fleet.pending--;
  uint64_t now = now_ns();
  histogram_add(&fleet.entrances, now - connection->since);
  journal_note(JOURNAL_READY, place_of(connection), now, 0);
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

/** Messages that arrive after a connection has said goodbye are read and written to the journal, but not measured. */
static void on_message(const struct connection *connection, const char *payload, uint32_t length) {
  if (connection->state == READY) meter_message(payload, length, arrived_at);
  uint64_t sent = stamp_in(payload, length);
  if (sent > 0) journal_note(JOURNAL_MESSAGE, place_of(connection), arrived_at, sent);
}

static void on_frame(struct connection *connection, const struct frame *frame, const char *payload) {
  uint32_t length = (uint32_t)frame->length;
  if (frame->opcode == OPCODE_PING) send_frame(connection, OPCODE_PONG, payload, length);
  else if (frame->opcode == OPCODE_CLOSE) give_up(connection);
  // Engine.IO's heartbeat is an ordinary message.
  else if (connection->state != LEFT && length == 1 && *payload == '2') send_text(connection, "3");
  else if (connection->state == READY || connection->state == LEFT) on_message(connection, payload, length);
  else on_text(connection, payload, length);
}

static uint64_t read_nats(struct connection *connection, const char *bytes, uint64_t length) {
  uint64_t taken = length < connection->payload_left ? length : connection->payload_left;
  const struct nats_events events = {connection, on_nats_message, on_nats_line};
  connection->payload_left -= taken;
  nats_read(&connection->nats, bytes, taken, &events);
  return taken;
}

/** Returns how many bytes were consumed; the rest is kept until more arrives. */
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

/**
 * Returns whether the connection is already established. On the same machine it is, unless the server's queue is full.
 */
static bool connect_from(uint32_t source, uint16_t port, int *opened) {
  int descriptor = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // The kernel chooses the port only when the destination is known, so one address can be used for more connections.
  setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(FIRST_SOURCE + source)};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  // If many connect at once the server's queue may be full. A connection that waits for it must not delay the others.
  fcntl(descriptor, F_SETFL, O_NONBLOCK);
  bool is_bound = descriptor >= 0 && bind(descriptor, (void *)&from, sizeof from) == 0;
  bool is_there = is_bound && connect(descriptor, (void *)&to, sizeof to) == 0;
  if (!is_there && (!is_bound || errno != EINPROGRESS)) {
    perror("cannot connect");
    exit(1);
  }
  *opened = descriptor;
  return is_there;
}

static uint16_t port_of(const struct connection *connection) {
  uint32_t moves = fleet.plan->moves ? connection->departures : 0;
  return fleet.plan->ports[(place_of(connection) + moves) % fleet.plan->port_count];
}

static void greet(struct connection *connection) {
  char path[MAX_TEXT], request[MAX_TEXT + 256];
  fill_in(path, fleet.plan->path, connection);
  int length = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ZmxvdGlsbGEtYmVuY2gtMQ==\r\n\r\n",
                        path, port_of(connection));
  connection->state = GREETING;
  if (!send_all(connection, request, (uint32_t)length)) give_up(connection);
}

/** The connection attempt has succeeded or failed. */
static void on_connected(struct connection *connection) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection->descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    give_up(connection);
    return;
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  epoll_ctl(fleet.epoll, EPOLL_CTL_MOD, connection->descriptor, &event);
  greet(connection);
}

static void start(uint32_t index) {
  struct connection *connection = &fleet.connections[index];
  bool is_there = connect_from(index / CONNECTIONS_PER_SOURCE, port_of(connection), &connection->descriptor);
  connection->state = CONNECTING;
  struct epoll_event event = {.events = is_there ? EPOLLIN : EPOLLOUT, .data.ptr = connection};
  epoll_ctl(fleet.epoll, EPOLL_CTL_ADD, connection->descriptor, &event);
  if (is_there) greet(connection);
}

static void start_again(void) {
  while (fleet.retry_count > 0 && fleet.retries[fleet.first_retry].at <= now_ns()) {
    uint32_t index = fleet.retries[fleet.first_retry].index;
    fleet.first_retry = (fleet.first_retry + 1) % fleet.plan->count;
    fleet.retry_count--;
    start(index);
  }
}

/**
 * Reads everything that the server still sends to a connection that has sent its close frame, until the server closes
 * it.
 */
static void see_off(const struct connection *connection, uint64_t deadline) {
  while (connection->state == LEFT && now_ns() < deadline) fleet_read(10);
}

void fleet_enter(uint32_t from, uint32_t count, double patience) {
  uint64_t begin = now_ns(), deadline = begin + (uint64_t)(patience * 1e9);
  uint32_t started = 0;
  memset(&fleet.entrances, 0, sizeof fleet.entrances);
  while ((started < count || fleet.pending > 0) && now_ns() < deadline) {
    while (started < count && fleet.pending < fleet.plan->at_once) {
      struct connection *connection = &fleet.connections[from + started++];
      see_off(connection, now_ns() + FAREWELL_NS);
      if (connection->state == LEFT) drop(connection);
      if (connection->state != GONE) continue;
      connection->since = now_ns();
      fleet.pending++;
      start(place_of(connection));
    }
    start_again();
    fleet_read(10);
  }
  fleet.opening = now_ns() - begin;
}

void fleet_open(const struct fleet_plan *plan, double patience) {
  fleet.plan = plan;
  fleet.connections = calloc(plan->count, sizeof *fleet.connections);
  fleet.retries = calloc(plan->count, sizeof *fleet.retries);
  fleet.epoll = epoll_create1(0);
  fleet_enter(0, plan->count, patience);
}

void fleet_leave(uint32_t from, uint32_t count) {
  static const char going_away[] = {(char)(1001 >> 8), (char)(1001 & 255)};
  for (uint32_t index = from; index < from + count; index++) {
    struct connection *connection = &fleet.connections[index];
    if (connection->state != READY) continue;
    fleet.ready--;
    connection->state = LEFT;
    connection->departures++;
    journal_note(JOURNAL_LEFT, index, now_ns(), 0);
    send_frame(connection, OPCODE_CLOSE, going_away, sizeof going_away);
  }
}

int fleet_descriptor(void) { return fleet.epoll; }

void fleet_read(int timeout) {
  static struct epoll_event events[MAX_EVENTS];
  int count = epoll_wait(fleet.epoll, events, MAX_EVENTS, timeout);
  for (int i = 0; i < count; i++) {
    struct connection *connection = events[i].data.ptr;
    if (connection->state == CONNECTING) on_connected(connection);
    else if (connection->state != GONE) read_connection(connection);
  }
}

void fleet_report(FILE *out) {
  fprintf(out, "\"ready\":%u,\"refused\":%u,\"closed\":%u,\"opening\":%lu,", fleet.ready, fleet.refused, fleet.closed,
          fleet.opening);
  histogram_report(&fleet.entrances, "entrance", out);
}
