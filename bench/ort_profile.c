/* What the runtime writes about its nodes: see ort.h. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ort.h"

bool ort_each_node(ort_session *session, ort_node_fn each, void *arg) {
  char path[512] = "";
  json_error_t error;
  if (!ort_end_profile(session, path, sizeof path)) return false;
  json_t *events = json_load_file(path, 0, &error);
  unlink(path);
  for (size_t i = 0; events && i < json_array_size(events); i++) {
    const json_t *e = json_array_get(events, i), *args = json_object_get(e, "args");
    const char *category = json_string_value(json_object_get(e, "cat"));
    const char *name = json_string_value(json_object_get(e, "name")), *op = json_string_value(json_object_get(args, "op_name"));
    if (!category || !name || !op || strcmp(category, "Node") != 0 || !strstr(name, "kernel_time")) continue;
    each(arg, op, json_number_value(json_object_get(e, "dur")));
  }
  json_decref(events);
  return events != NULL;
}

enum { MOST_OPS = 64 };

typedef struct census {
  struct {
    char op[48];
    int count;
    double us;
  } at[MOST_OPS];
  int n;
} census;

static void count_node(void *arg, const char *op, double us) {
  census *c = arg;
  int i = 0;
  while (i < c->n && strcmp(c->at[i].op, op) != 0) i++;
  if (i == MOST_OPS) return;
  if (i == c->n) snprintf(c->at[c->n++].op, sizeof c->at[i].op, "%s", op);
  c->at[i].count++;
  c->at[i].us += us;
}

static int by_time(const void *a, const void *b) {
  const double x = *(const double *)((const char *)a + offsetof(census, at[0].us)),
               y = *(const double *)((const char *)b + offsetof(census, at[0].us));
  return (x < y) - (x > y);
}

bool ort_print_ops(const char *model) {
  char prefix[600];
  census c = {.n = 0};
  snprintf(prefix, sizeof prefix, "/tmp/ops.%ld", (long)getpid());
  ort_session *s = ort_open(model, prefix);
  const bool good = s && ort_run(s) == 0 && ort_each_node(s, count_node, &c);
  if (s) ort_close(s);
  if (!good) return false;
  qsort(c.at, (size_t)c.n, sizeof c.at[0], by_time);
  printf("  ONNX Runtime's nodes, count and ms of one run:");
  for (int i = 0; i < c.n; i++) printf("%s %s %d %.2f", i ? "," : "", c.at[i].op, c.at[i].count, c.at[i].us * 1e-3);
  putchar('\n');
  return true;
}
