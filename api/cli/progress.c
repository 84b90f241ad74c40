/* How far a long piece of work is: a bar on a terminal, plain lines at most every few seconds elsewhere. */
#include <time.h>
#include <unistd.h>

#include "cli.h"

enum { BAR_WIDTH = 28 };
#define BAR_SECONDS 0.1
#define LINE_SECONDS 5.0

static bool bar_shown;

double cli_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void cli_progress_clear(void) {
  if (!bar_shown) return;
  fputs("\r\033[K", stderr);
  bar_shown = false;
}

void cli_progress_start(cli_progress *p, const char *label, const char *unit, int64_t total) {
  *p = (cli_progress){ .label = label, .unit = unit, .total = total };
  p->started = cli_now();
  p->bar = isatty(STDERR_FILENO) != 0;
  p->last = p->bar ? 0.0 : p->started;
  p->silent = cli.verbose < 0;
}

static void eta_text(double seconds, char buffer[32]) {
  const long long whole = seconds < 0.0 ? 0 : seconds > 359999.0 ? 359999 : (long long)(seconds + 0.5);
  if (whole >= 3600) snprintf(buffer, 32, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  else snprintf(buffer, 32, "%lld:%02lld", whole / 60, whole % 60);
}

void cli_progress_update(cli_progress *p, int64_t done) {
  p->done = done;
  if (p->silent) return;
  const double now = cli_now();
  if (now - p->last < (p->bar ? BAR_SECONDS : LINE_SECONDS)) return;
  p->last = now;
  const double elapsed = now - p->started;
  const double fraction = p->total > 0 ? (double)done / (double)p->total : 1.0;
  const double rate = elapsed > 0.0 ? (double)done / elapsed : 0.0;
  char eta[32] = "-";
  if (done > 0) eta_text(elapsed * (1.0 - fraction) / fraction, eta);
  if (!p->bar) {
    fprintf(stderr, "qengine: %s: %lld of %lld %s (%.0f %%), %.1f/s, %s left\n", p->label, (long long)done,
            (long long)p->total, p->unit, 100.0 * fraction, rate, eta);
    return;
  }
  char bar[BAR_WIDTH + 1];
  const int filled = (int)(fraction * BAR_WIDTH);
  for (int i = 0; i < BAR_WIDTH; i++) bar[i] = i < filled ? '=' : i == filled ? '>' : ' ';
  bar[BAR_WIDTH] = '\0';
  fprintf(stderr, "\r\033[K%s [%s] %lld/%lld %s %.1f/s ETA %s", p->label, bar, (long long)done, (long long)p->total,
          p->unit, rate, eta);
  fflush(stderr);
  bar_shown = true;
}

void cli_progress_finish(cli_progress *p) {
  cli_progress_clear();
  p->silent = true;
}
