/* See rounds.h. */
#include "rounds.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LEAST_ROUNDS = 8 };
static const double ROUND_NS = 1.5e6; /* long against the clock, short against an interruption */

double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double calls_ns(contender *c, long calls) {
  const double start = now_ns();
  for (long i = 0; i < calls; i++) {
    if (c->call(c->state) == 0) continue;
    snprintf(c->detail, sizeof c->detail, "a call failed");
    return INFINITY;
  }
  return (now_ns() - start) / (double)calls;
}

void run_rounds(contender *list, size_t count, double seconds) {
  long per_round[MOST_CONTENDERS] = {0};
  for (size_t i = 0; i < count; i++) {
    contender *c = &list[i];
    c->ns = INFINITY;
    if (!c->state) continue;
    calls_ns(c, 1);
    const double once = calls_ns(c, 2); /* of warm caches */
    c->calls[0] = 3;
    per_round[i] = once > 0.0 && once < ROUND_NS ? (long)(ROUND_NS / once) + 1 : 1;
  }
  size_t round = 1;
  const double end = now_ns() + seconds * 1e9 * (double)count;
  for (; round < MOST_ROUNDS && (round <= LEAST_ROUNDS || now_ns() < end); round++) {
    for (size_t i = 0; i < count; i++) {
      if (!list[i].state) continue;
      list[i].calls[round] = per_round[i];
      list[i].ns = fmin(list[i].ns, calls_ns(&list[i], per_round[i]));
    }
  }
  for (size_t i = 0; i < count; i++) {
    contender *c = &list[i];
    if (c->state && c->own_ns) c->ns = c->own_ns(c->state, c->calls, round);
    if (!isfinite(c->ns)) c->ns = 0.0;
  }
}

void close_contenders(contender *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (list[i].state) list[i].close(list[i].state);
}

void pin(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int cpu = sched_getcpu();
  if (cpu >= 0) CPU_SET((size_t)cpu, &set);
  if (cpu < 0 || sched_setaffinity(0, sizeof set, &set) != 0) fputs("not pinned to a processor\n", stderr);
  const struct sched_param first = {.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) fputs("others may interrupt the rounds: no right to SCHED_FIFO\n", stderr);
}
