/* Which values differ most, and which layers are to blame; see compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"

/* NaN ranks as the worst there is. */
static double rank_of(double sqnr) {
  return isnan(sqnr) ? -INFINITY : sqnr;
}

static int by_sqnr(const void *a, const void *b) {
  const cli_pair *x = a, *y = b;
  if (x->skipped != y->skipped) return x->skipped ? 1 : -1;
  const double p = rank_of(x->sqnr), q = rank_of(y->sqnr);
  return p != q ? (p > q) - (p < q) : strcmp(x->name, y->name);
}

static int by_drop(const void *a, const void *b) {
  const cli_layer *x = a, *y = b;
  return x->drop != y->drop ? (x->drop < y->drop) - (x->drop > y->drop) : strcmp(x->node, y->node);
}

typedef struct map {
  int32_t *pair;     /* per value of B: its pair or -1 */
  int32_t *producer; /* per value of B: node or -1 */
  uint32_t values;
} map;

static map map_of(const qe_model_t *b, const cli_comparison *c) {
  map m = { .values = qe_model_value_count(b) };
  m.pair = cli_calloc(m.values, sizeof *m.pair);
  m.producer = cli_calloc(m.values, sizeof *m.producer);
  for (uint32_t i = 0; i < m.values; i++) m.pair[i] = m.producer[i] = -1;
  for (size_t i = 0; i < c->n_pairs; i++) {
    if (c->pairs[i].skipped) continue;
    m.pair[c->pairs[i].value_b] = (int32_t)i;
    if (c->pairs[i].codes_b >= 0) m.pair[c->pairs[i].codes_b] = (int32_t)i;
  }
  for (uint32_t n = 0; n < qe_model_node_count(b); n++) {
    qe_node_info_t node;
    if (qe_model_node(b, n, &node) != QE_OK) continue;
    for (uint32_t i = 0; i < node.n_out; i++) {
      const int32_t value = qe_model_node_output(b, n, i);
      if (value >= 0) m.producer[value] = (int32_t)n;
    }
  }
  return m;
}

/* Quality of a value; one that has no pair has that of what it is made from. */
static double quality(const qe_model_t *b, const cli_comparison *c, const map *m, int32_t value) {
  for (int hops = 0; hops < 16; hops++) {
    if (m->pair[value] >= 0) return c->pairs[m->pair[value]].sqnr;
    if (m->producer[value] < 0) return CLI_SQNR_MOST; /* the model's input, or a constant */
    const int32_t before = qe_model_node_input(b, (uint32_t)m->producer[value], 0);
    if (before < 0) return CLI_SQNR_MOST;
    value = before;
  }
  return CLI_SQNR_MOST;
}

static void add_layer(const qe_model_t *b, const map *m, const cli_pair *p, cli_comparison *c) {
  const int32_t n = p->node_b;
  qe_node_info_t node;
  if (isnan(p->sqnr) || qe_model_node(b, (uint32_t)n, &node) != QE_OK) return;
  double input = CLI_SQNR_MOST;
  for (uint32_t i = 0; i < node.n_in; i++) {
    const int32_t value = qe_model_node_input(b, (uint32_t)n, i);
    const double q = value >= 0 ? quality(b, c, m, value) : CLI_SQNR_MOST;
    if (q < input) input = q;
  }
  c->layers = cli_realloc(c->layers, c->n_layers + 1, sizeof *c->layers);
  const double before = input < CLI_GOOD ? input : CLI_GOOD;
  const double after = p->sqnr < CLI_GOOD ? p->sqnr : CLI_GOOD;
  c->layers[c->n_layers++] = (cli_layer){ p->node, p->op, input, p->sqnr, before - after };
}

void cli_compare_rank(const qe_model_t *b, cli_comparison *c) {
  c->output_sqnr = CLI_SQNR_MOST;
  for (size_t i = 0; i < c->n_pairs; i++) {
    cli_pair *p = &c->pairs[i];
    p->sqnr = cli_difference_sqnr(&p->difference);
    p->cosine = cli_difference_cosine(&p->difference);
  }
  if (c->n_pairs) qsort(c->pairs, c->n_pairs, sizeof *c->pairs, by_sqnr);
  for (size_t i = 0; i < c->n_pairs; i++) {
    const cli_pair *p = &c->pairs[i];
    if (p->is_output && !p->skipped && !(p->sqnr >= c->output_sqnr)) c->output_sqnr = p->sqnr;
    if (p->is_output && p->skipped) c->output_sqnr = NAN; /* an output that cannot be compared does not pass */
  }
  c->passed = !c->has_min || c->output_sqnr >= c->min_sqnr;
  map m = map_of(b, c);
  for (size_t i = 0; i < c->n_pairs; i++)
    if (!c->pairs[i].skipped) add_layer(b, &m, &c->pairs[i], c);
  if (c->n_layers) qsort(c->layers, c->n_layers, sizeof *c->layers, by_drop);
  free(m.pair);
  free(m.producer);
}
