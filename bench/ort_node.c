/* The one node of a one-op model: see ort.h. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ort.h"

typedef struct node {
  ort_session *session;
  bool int8;
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

/* Durations are whole microseconds, cut off; the mean over a round is half a microsecond more. */
static double smallest_mean(node *n, const json_t *events, const long *calls, size_t rounds) {
  double best = INFINITY, sum = 0.0;
  size_t round = 0;
  long seen = 0;
  for (size_t i = 0; i < json_array_size(events); i++) {
    const json_t *e = json_array_get(events, i), *args = json_object_get(e, "args");
    const char *category = json_string_value(json_object_get(e, "cat")), *op = json_string_value(json_object_get(args, "op_name"));
    const char *name = json_string_value(json_object_get(e, "name"));
    if (!category || !op || !name || strcmp(category, "Node") != 0 || !strstr(name, "kernel_time")) continue;
    note(n, op);
    if (!multiplies(op) || round >= rounds) continue;
    sum += json_number_value(json_object_get(e, "dur"));
    if (++seen < calls[round]) continue;
    if (round > 0) best = fmin(best, sum / (double)seen + 0.5);
    round++;
    seen = 0;
    sum = 0.0;
  }
  return best * 1e3;
}

static double own_ns(void *state, const long *calls, size_t rounds) {
  node *n = state;
  char path[512] = "";
  json_error_t error;
  n->detail[0] = '\0';
  if (!ort_end_profile(n->session, path, sizeof path)) return INFINITY;
  json_t *events = json_load_file(path, 0, &error);
  const double ns = events ? smallest_mean(n, events, calls, rounds) : INFINITY;
  json_decref(events);
  unlink(path);
  return ns;
}

void ort_node_open(const char *model, bool int8, contender *out) {
  char prefix[600];
  *out = (contender){.name = "ONNX Runtime", .call = call, .close = close_node, .own_ns = own_ns};
  snprintf(prefix, sizeof prefix, "%s.profile", model);
  node *n = calloc(1, sizeof *n);
  if (!n) return;
  *n = (node){.int8 = int8, .detail = out->detail, .session = ort_open(model, 0, prefix, NULL)};
  if (n->session) {
    out->state = n;
    return;
  }
  snprintf(out->detail, sizeof out->detail, "%s", ort_error());
  free(n);
}
