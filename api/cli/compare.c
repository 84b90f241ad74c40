/* Measuring how far apart the values of two models are; see compare.h. */
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Runs a model, asking for one value per pair. */
static int run_side(const char *path, qe_session_t *session, uint32_t n_in, const qe_named_tensor_t *inputs, size_t n,
                    qe_named_tensor_t *outputs) {
  const qe_status_t status = qe_session_run(session, n_in, inputs, (uint32_t)n, outputs);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", path);
}

static bool same_shape(const qe_tensor_t *x, const qe_tensor_t *y) {
  const uint32_t rank = qe_tensor_rank(x);
  return rank == qe_tensor_rank(y) &&
         (rank == 0 || memcmp(qe_tensor_dims(x), qe_tensor_dims(y), rank * sizeof(int64_t)) == 0);
}

static void skip(cli_pair *p, const char *why) {
  if (!p->skipped) cli_warn("%s is not compared: %s", p->name, why);
  p->skipped = true;
}

/* Equalization scales the channels of a value by powers of two, undone by its reader: takes that out again. */
static qe_status_t unscale(const json_t *scaled, const char *name, qe_tensor_t **tensor) {
  const json_t *shifts = scaled ? json_object_get(scaled, name) : NULL;
  const uint32_t rank = qe_tensor_rank(*tensor);
  const int64_t *dims = qe_tensor_dims(*tensor);
  qe_tensor_t *copy = NULL;
  if (!json_is_array(shifts) || rank < 2 || (int64_t)json_array_size(shifts) != dims[1]) return QE_OK;
  const qe_status_t status = qe_tensor_from_data(QE_FLOAT32, rank, dims, qe_tensor_const_data(*tensor), &copy);
  if (status != QE_OK) return status;
  float *x = qe_tensor_data(copy);
  int64_t inner = 1;
  for (uint32_t d = 2; d < rank; d++) inner *= dims[d];
  for (int64_t i = 0; i < qe_tensor_count(copy); i++)
    x[i] = ldexpf(x[i], -(int)json_integer_value(json_array_get(shifts, (size_t)(i / inner % dims[1]))));
  qe_tensor_release(tensor);
  *tensor = copy;
  return QE_OK;
}

static void add_difference(const cli_comparison *c, cli_pair *p, qe_tensor_t *a, qe_tensor_t *b) {
  qe_tensor_t *x = NULL, *y = NULL;
  if (p->skipped) return;
  if (cli_as_float(a, &x) != QE_OK || cli_as_float(b, &y) != QE_OK)
    skip(p, "it is neither float32 nor quantized in both models");
  else if (!same_shape(x, y)) skip(p, "its shapes differ");
  else if (unscale(c->scaled_a, p->name_a, &x) != QE_OK || unscale(c->scaled_b, p->name_b, &y) != QE_OK)
    skip(p, "out of memory");
  else cli_difference_add(&p->difference, qe_tensor_count(x), qe_tensor_const_data(x), qe_tensor_const_data(y));
  qe_tensor_release(&x);
  qe_tensor_release(&y);
}

/* B's inputs: A's tensors under B's names, by name where it is the same, else by position. */
static int rename_inputs(const qe_model_t *b, const char *path_b, const cli_feed *feed,
                         const qe_named_tensor_t *tensors, qe_named_tensor_t *out) {
  if (qe_model_input_count(b) != feed->n_inputs)
    return cli_error(CLI_FAILED, "%s has %u inputs, the other model %u", path_b, qe_model_input_count(b),
                     feed->n_inputs);
  for (uint32_t i = 0; i < feed->n_inputs; i++) {
    out[i] = tensors[i];
    if (cli_model_find_input(b, tensors[i].name, strlen(tensors[i].name)) < 0) out[i].name = cli_model_input_name(b, i);
  }
  return CLI_OK;
}

typedef struct sides {
  qe_session_t *a, *b;
  qe_named_tensor_t *in_b, *out_a, *out_b;
} sides;

static int measure_batch(const qe_model_t *b, const cli_feed *feed, int64_t index, sides *s, cli_comparison *c) {
  qe_named_tensor_t *tensors = NULL;
  int code = cli_feed_batch(feed, index, &tensors);
  if (code) return code;
  for (size_t i = 0; i < c->n_pairs; i++) {
    s->out_a[i] = (qe_named_tensor_t){ c->pairs[i].name_a, NULL };
    s->out_b[i] = (qe_named_tensor_t){ c->pairs[i].name_b, NULL };
  }
  code = rename_inputs(b, c->path_b, feed, tensors, s->in_b);
  if (!code) code = run_side(c->path_a, s->a, feed->n_inputs, tensors, c->n_pairs, s->out_a);
  if (!code) code = run_side(c->path_b, s->b, feed->n_inputs, s->in_b, c->n_pairs, s->out_b);
  for (size_t i = 0; i < c->n_pairs; i++) {
    if (!code) add_difference(c, &c->pairs[i], s->out_a[i].tensor, s->out_b[i].tensor);
    qe_tensor_release(&s->out_a[i].tensor);
    qe_tensor_release(&s->out_b[i].tensor);
  }
  cli_feed_release(feed, &tensors);
  return code;
}

static json_t *scaled_channels(const qe_model_t *model) {
  const char *text = qe_model_metadata(model, "qengine.equalization");
  return text ? json_loads(text, 0, NULL) : NULL;
}

static int open_session(const qe_model_t *model, const char *path, bool strict, qe_session_t **out) {
  qe_session_options_t o = cli_session_options();
  o.strict = strict;
  const qe_status_t status = qe_session_create(model, &o, out);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", path);
}

int cli_compare_measure(const qe_model_t *a, const qe_model_t *b, const cli_feed *feed, cli_comparison *c) {
  sides s = { 0 };
  cli_progress progress;
  int code = open_session(a, c->path_a, cli.strict, &s.a);
  if (!code) code = open_session(b, c->path_b, cli.strict, &s.b);
  s.in_b = cli_calloc(feed->n_inputs, sizeof *s.in_b);
  s.out_a = cli_calloc(c->n_pairs, sizeof *s.out_a);
  s.out_b = cli_calloc(c->n_pairs, sizeof *s.out_b);
  c->samples = feed->samples;
  c->scaled_a = scaled_channels(a);
  c->scaled_b = scaled_channels(b);
  cli_progress_start(&progress, "comparing", "samples", feed->samples);
  for (int64_t i = 0; i < feed->batches && !code; i++) {
    if (cli_interrupted()) break;
    code = measure_batch(b, feed, i, &s, c);
    cli_progress_update(&progress, i * feed->batch + cli_feed_batch_samples(feed, i));
  }
  cli_progress_finish(&progress);
  if (!code && cli_interrupted()) code = cli_stop_interrupted();
  free(s.in_b);
  free(s.out_a);
  free(s.out_b);
  qe_session_destroy(&s.a);
  qe_session_destroy(&s.b);
  return code;
}

void cli_compare_free(cli_comparison *c) {
  for (size_t i = 0; i < c->n_pairs; i++) {
    free(c->pairs[i].name);
    free(c->pairs[i].name_a);
    free(c->pairs[i].name_b);
    free(c->pairs[i].node);
    free(c->pairs[i].op);
  }
  json_decref(c->scaled_a);
  json_decref(c->scaled_b);
  free(c->pairs);
  free(c->layers);
}
