#include "journal.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
  double at, sent;
  uint32_t connection, event;
};

static FILE *journal;

void journal_open(const char *path) {
  journal = fopen(path, "w");
  if (journal != NULL) return;
  perror(path);
  exit(1);
}

void journal_note(enum journal_event event, uint32_t connection, uint64_t at, uint64_t sent) {
  if (journal == NULL) return;
  const struct row row = {(double)at, (double)sent, connection, event};
  fwrite(&row, sizeof row, 1, journal);
}

void journal_flush(void) {
  if (journal != NULL) fflush(journal);
}
