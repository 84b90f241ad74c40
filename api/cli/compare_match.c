/* Matching values of two models by name; see compare.h. */
#include <stdlib.h>
#include <string.h>

#include "compare.h"

typedef struct named {
  const char *name;
  int32_t value, node;
} named;

static int by_name(const void *a, const void *b) {
  return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

/* What nodes compute: float, or integers that stand for reals. */
static bool comparable(const qe_model_t *model, int32_t value, qe_value_info_t *info) {
  if (qe_model_value(model, (uint32_t)value, info) != QE_OK || info->constant) return false;
  return info->dtype == QE_FLOAT32 || info->dtype == QE_DTYPE_NONE || info->qparams;
}

/* Comparable values by producing node, sorted by name. */
static named *list_values(const qe_model_t *model, size_t *count) {
  named *list = NULL;
  *count = 0;
  for (uint32_t n = 0; n < qe_model_node_count(model); n++) {
    qe_node_info_t node;
    if (qe_model_node(model, n, &node) != QE_OK) continue;
    for (uint32_t i = 0; i < node.n_out; i++) {
      const int32_t value = qe_model_node_output(model, n, i);
      qe_value_info_t info;
      if (value < 0 || !comparable(model, value, &info)) continue;
      list = cli_realloc(list, *count + 1, sizeof *list);
      list[(*count)++] = (named){ info.name, value, (int32_t)n };
    }
  }
  if (*count) qsort(list, *count, sizeof *list, by_name);
  return list;
}

static const named *find(const named *list, size_t count, const char *name) {
  const named key = { name, 0, 0 };
  return count ? bsearch(&key, list, count, sizeof key, by_name) : NULL;
}

/* The node that made what a DequantizeLinear only turns back into float, and the codes in between; else the node
 * itself. */
static int32_t blamed_node(const qe_model_t *b, int32_t node, int32_t *codes) {
  qe_node_info_t info;
  *codes = -1;
  if (qe_model_node(b, (uint32_t)node, &info) != QE_OK || strcmp(info.op, "DequantizeLinear") != 0) return node;
  const int32_t value = qe_model_node_input(b, (uint32_t)node, 0);
  for (uint32_t n = 0; value >= 0 && n < qe_model_node_count(b); n++) {
    if (qe_model_node(b, n, &info) != QE_OK) continue;
    for (uint32_t i = 0; i < info.n_out; i++) {
      if (qe_model_node_output(b, n, i) != value) continue;
      *codes = value;
      return (int32_t)n;
    }
  }
  return node;
}

static cli_pair *add_pair(cli_comparison *c, const char *name, const char *name_a, const qe_model_t *b,
                          const named *match) {
  c->pairs = cli_realloc(c->pairs, c->n_pairs + 1, sizeof *c->pairs);
  cli_pair *p = &c->pairs[c->n_pairs++];
  memset(p, 0, sizeof *p);
  p->value_b = match->value;
  p->node_b = blamed_node(b, match->node, &p->codes_b);
  qe_node_info_t node = { 0 };
  qe_model_node(b, (uint32_t)p->node_b, &node);
  p->name = cli_format("%s", name);
  p->name_a = cli_format("%s", name_a);
  p->name_b = cli_format("%s", match->name);
  p->node = cli_format("%s", node.name ? node.name : "");
  p->op = cli_format("%s", node.op ? node.op : "");
  return p;
}

typedef struct lists {
  named *a, *b;
  size_t n_a, n_b;
} lists;

/* Outputs have their name in both, or else their position. How many were found. */
static uint32_t match_outputs(const qe_model_t *a, const qe_model_t *b, const lists *l, cli_comparison *c) {
  uint32_t outputs = qe_model_output_count(a), matched = 0;
  if (qe_model_output_count(b) < outputs) outputs = qe_model_output_count(b);
  for (uint32_t o = 0; o < outputs; o++) {
    qe_value_info_t info_a, info_b;
    if (qe_model_output(a, o, &info_a) != QE_OK || qe_model_output(b, o, &info_b) != QE_OK) continue;
    if (!find(l->a, l->n_a, info_a.name)) continue;
    const named *match = find(l->b, l->n_b, info_a.name);
    cli_pair *p = NULL;
    for (size_t i = 0; match && i < c->n_pairs && !p; i++)
      if (strcmp(c->pairs[i].name, info_a.name) == 0) p = &c->pairs[i];
    if (!p) match = find(l->b, l->n_b, info_b.name);
    if (!p && match) p = add_pair(c, info_a.name, info_a.name, b, match);
    if (!p) continue;
    p->is_output = true;
    matched++;
  }
  return matched;
}

/* Codes made of a value that A has: the quantized input, say. */
static void match_codes(const qe_model_t *a, const qe_model_t *b, const lists *l, cli_comparison *c) {
  for (uint32_t n = 0; n < qe_model_node_count(b); n++) {
    qe_node_info_t node;
    qe_value_info_t from;
    if (qe_model_node(b, n, &node) != QE_OK || strcmp(node.op, "QuantizeLinear") != 0) continue;
    const int32_t value = qe_model_node_input(b, n, 0), codes = qe_model_node_output(b, n, 0);
    qe_value_info_t to;
    if (value < 0 || codes < 0 || qe_model_value(b, (uint32_t)value, &from) != QE_OK || !comparable(b, codes, &to))
      continue;
    if (find(l->a, l->n_a, to.name)) continue; /* a pair by its own name */
    if (!find(l->a, l->n_a, from.name) && cli_model_find_input(a, from.name, strlen(from.name)) < 0) continue;
    add_pair(c, to.name, from.name, b, &(named){ to.name, codes, (int32_t)n });
  }
}

int cli_compare_match(const qe_model_t *a, const qe_model_t *b, cli_comparison *c) {
  lists l = { 0 };
  l.a = list_values(a, &l.n_a);
  l.b = list_values(b, &l.n_b);
  for (size_t i = 0; i < l.n_a; i++) {
    const named *match = find(l.b, l.n_b, l.a[i].name);
    if (match) add_pair(c, l.a[i].name, l.a[i].name, b, match);
  }
  const uint32_t matched = match_outputs(a, b, &l, c);
  match_codes(a, b, &l, c);
  free(l.a);
  free(l.b);
  if (matched) return CLI_OK;
  return cli_error(CLI_FAILED, "%s and %s have no output in common; are they two forms of one model?", c->path_a,
                   c->path_b);
}
