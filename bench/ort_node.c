/* The one node of a one-op model: see ort.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ort.h"

typedef struct node {
  ort_session *session;
  char *detail; /* the contender's */
} node;

static int call(void *state) { return ort_run(((node *)state)->session); }

static void close_node(void *state) {
  ort_close(((node *)state)->session);
  free(state);
}

/* "QLinearConv" multiplies; "Transpose" does not. */
static bool multiplies(const char *op) {
  return strstr(op, "Conv") != NULL || strstr(op, "Gemm") != NULL || strstr(op, "MatMul") != NULL;
}

/* Notes every kind of node that ran, once. */
static void note(node *n, const char *op) {
  const size_t used = strlen(n->detail), length = strlen(op);
  for (const char *at = n->detail; (at = strstr(at, op)); at += length) {
    const bool starts = at == n->detail || at[-1] == ' ', ends = at[length] == ' ' || at[length] == '\0';
    if (starts && ends) return;
  }
  const size_t room = sizeof((contender *)0)->detail - used;
  snprintf(n->detail + used, room, "%s%s", used > 0 ? " " : "", op);
}

typedef struct sums {
  node *n;
  const long *calls;
  size_t rounds, round;
  long seen;
  double sum, best;
} sums;

/* Durations are whole microseconds, cut off; the mean over a round is half a microsecond more. */
static void add_node(void *arg, const char *op, double microseconds) {
  sums *s = arg;
  note(s->n, op);
  if (!multiplies(op) || s->round >= s->rounds) return;
  s->sum += microseconds;
  if (++s->seen < s->calls[s->round]) return;
  if (s->round > 0) s->best = fmin(s->best, s->sum / (double)s->seen + 0.5);
  s->round++;
  s->seen = 0;
  s->sum = 0.0;
}

static double own_ns(void *state, const long *calls, size_t rounds) {
  node *n = state;
  sums s = {.n = n, .calls = calls, .rounds = rounds, .best = INFINITY};
  n->detail[0] = '\0';
  return ort_each_node(n->session, add_node, &s) ? s.best * 1e3 : INFINITY;
}

void ort_node_open(const char *model, contender *out) {
  char prefix[600];
  *out = (contender){.name = "ONNX Runtime", .call = call, .close = close_node, .own_ns = own_ns};
  snprintf(prefix, sizeof prefix, "%s.profile", model);
  node *n = calloc(1, sizeof *n);
  if (!n) return;
  *n = (node){.detail = out->detail, .session = ort_open(model, prefix)};
  if (n->session) {
    out->state = n;
    return;
  }
  snprintf(out->detail, sizeof out->detail, "%s", ort_error());
  free(n);
}
