// A WebSocket client with many connections. It uses little CPU itself, so that it does not limit the server.
//
// It opens the connections, prints their state, then obeys the commands on its standard input:
//   begin              forget everything that has arrived; answers with the connections' state
//   report             answers with a summary of what has arrived since, and how long after it was sent
//   leave FROM COUNT   close these connections, all at once; answers with the connections' state
//   enter FROM COUNT   open these connections again; answers with the connections' state once they are open
// Answers are JSON, one a line; times are nanoseconds. The client ends when its input ends.
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet.h"
#include "journal.h"
#include "meter.h"

#define USAGE \
  "client -p PORT[,PORT…] -n CONNECTIONS [-u PATH] [-f FIRST_INDEX] [-c AT_ONCE] [-i HELLO] [-w WELCOME] [-t SECONDS] " \
  "[-r RETRY_AFTER] [-j JOURNAL] [-m] [-N] [-R]\n"

static struct fleet_plan plan = {.count = 1, .at_once = 256, .path = "/"};
static double patience = 60;
static bool counts_rounds;
static uint64_t round_size;

static void parse_ports(char *list) {
  for (char *port = strtok(list, ","); port != NULL && plan.port_count < FLEET_MAX_PORTS; port = strtok(NULL, ",")) {
    plan.ports[plan.port_count++] = (uint16_t)atoi(port);
  }
}

static void parse_options(int argc, char **argv) {
  for (int option; (option = getopt(argc, argv, "p:n:u:f:c:i:w:t:r:j:mNR")) != -1;) {
    switch (option) {
      case 'p': parse_ports(optarg); break;
      case 'n': plan.count = (uint32_t)atoi(optarg); break;
      case 'u': plan.path = optarg; break;
      case 'f': plan.first_index = (uint32_t)atoi(optarg); break;
      case 'c': plan.at_once = (uint32_t)atoi(optarg); break;
      case 'i': plan.hello = optarg; break;
      case 'w': plan.welcome = optarg; break;
      case 't': patience = atof(optarg); break;
      case 'r': plan.retry = atof(optarg); break;
      case 'j': journal_open(optarg); break;
      case 'm': plan.moves = true; break;
      case 'N': plan.nats = true; break;
      case 'R': counts_rounds = true; break;
      default: fputs(USAGE, stderr); exit(2);
    }
  }
  if (plan.port_count > 0) return;
  fputs(USAGE, stderr);
  exit(2);
}

static void answer(bool with_meter) {
  putchar('{');
  fleet_report(stdout);
  if (with_meter) {
    putchar(',');
    meter_report(stdout);
  }
  puts("}");
  fflush(stdout);
}

static void obey(const char *line) {
  char command[16] = "";
  uint32_t from = 0, count = 0;
  sscanf(line, "%15s %u %u", command, &from, &count);
  bool are_there = (uint64_t)from + count <= plan.count;
  if (strcmp(command, "begin") == 0) meter_clear(round_size);
  else if (strcmp(command, "leave") == 0 && are_there) fleet_leave(from, count);
  else if (strcmp(command, "enter") == 0 && are_there) fleet_enter(from, count, patience);
  journal_flush();
  answer(strcmp(command, "report") == 0);
}

/**
 * Returns false at the end of the input. The parent sends one line and waits for its answer before it sends the next.
 */
static bool read_command(void) {
  char line[64];
  ssize_t length = read(STDIN_FILENO, line, sizeof line - 1);
  if (length <= 0) return false;
  line[length] = '\0';
  line[strcspn(line, "\n")] = '\0';
  obey(line);
  return true;
}

int main(int argc, char **argv) {
  parse_options(argc, argv);
  round_size = counts_rounds ? plan.count : 0;
  meter_clear(round_size);
  fleet_open(&plan, patience);
  answer(false);
  struct pollfd inputs[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fleet_descriptor(), .events = POLLIN}};
  for (;;) {
    if (poll(inputs, 2, -1) < 0) return 1;
    if (inputs[1].revents != 0) fleet_read(0);
    if (inputs[0].revents != 0 && !read_command()) return 0;
  }
}
