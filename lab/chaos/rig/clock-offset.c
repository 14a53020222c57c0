// Preload this to shift a process's wall clock by FLOTILLA_CLOCK_OFFSET_MS. libfaketime cannot do it, because Debian's
// Redis allocates with jemalloc, which asks for the time before libfaketime is ready. Monotonic clocks are not changed.
#define _GNU_SOURCE
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL

static long long offset_ns(void) {
  const char *text = getenv("FLOTILLA_CLOCK_OFFSET_MS");
  return text == NULL ? 0 : atoll(text) * 1000000;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static long long offset;
  static int is_known;
  if (syscall(SYS_clock_gettime, clock, now) != 0) return -1;
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return 0;
  if (!is_known) offset = offset_ns();
  is_known = 1;
  long long ns = now->tv_sec * NS + now->tv_nsec + offset;
  now->tv_sec = ns / NS;
  now->tv_nsec = ns % NS;
  return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec precise;
  if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
