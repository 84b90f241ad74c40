/* `qengine eval`: accuracy, loss and latency of a classifier (or of a model that predicts tokens). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "json.h"
#include "measure.h"
#include "ptq.h"

enum { KEY_DATA = 0x100, KEY_LABELS, KEY_BATCH, KEY_SAMPLES, KEY_NORMALIZE, KEY_OUTPUT };

static const struct argp_option options[] = {
  { "data", KEY_DATA, "[NAME=]FILE", 0, "the samples: npy, npz, idx (.gz too) or TensorProto .pb (required)", 0 },
  { "labels", KEY_LABELS, "FILE", 0,
    "one integer class for each sample, idx or npy; with logits [..., classes], one for each row (required)", 0 },
  { "batch", KEY_BATCH, "N", 0, "samples per run (default: 32, or the model's fixed batch)", 0 },
  { "samples", KEY_SAMPLES, "N", 0, "the first N samples (default: all)", 0 },
  { "normalize", KEY_NORMALIZE, "MEAN,STD", 0, "integer images become (x/255 - MEAN)/STD", 0 },
  { "output", KEY_OUTPUT, "NAME", 0, "the logits (default: the model's first output)", 0 },
  { 0 },
};

typedef struct eval_args {
  const char *model, *output;
  cli_list data, labels;
  cli_feed_options feed;
} eval_args;

static error_t parse(int key, char *arg, struct argp_state *state) {
  eval_args *a = state->input;
  switch (key) {
    case KEY_DATA: cli_list_add(&a->data, arg); return 0;
    case KEY_LABELS: cli_list_add(&a->labels, arg); return 0;
    case KEY_BATCH: a->feed.batch = cli_int_value("--batch", arg, 1, 1 << 20); return 0;
    case KEY_SAMPLES: a->feed.samples = cli_int_value("--samples", arg, 1, INT64_MAX); return 0;
    case KEY_NORMALIZE:
      a->feed.normalize = true;
      cli_normalize_value(arg, &a->feed.mean, &a->feed.std);
      return 0;
    case KEY_OUTPUT: a->output = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

/* ---- labels ---- */

static int open_labels(const eval_args *a, const cli_feed *feed, qe_dataset_t **out) {
  const qe_status_t status = qe_dataset_open((uint32_t)a->labels.count, a->labels.items, NULL, out);
  if (status != QE_OK) return cli_fail(status, "--labels %s", a->labels.items[0]);
  switch (qe_dataset_dtype(*out)) {
    case QE_UINT8: case QE_INT8: case QE_UINT16: case QE_INT16: case QE_INT32: case QE_UINT32: case QE_INT64: break;
    default:
      return cli_error(CLI_FAILED, "--labels %s: labels are %s, but integers are wanted", a->labels.items[0],
                       qe_dtype_name(qe_dataset_dtype(*out)));
  }
  const int64_t labels = qe_dataset_count(*out), samples = qe_dataset_count(feed->inputs[0].data);
  if (labels == samples) return CLI_OK;
  return cli_error(CLI_FAILED, "--labels %s: %lld labels for %lld samples", a->labels.items[0], (long long)labels,
                   (long long)samples);
}

static int64_t integer_at(const qe_tensor_t *t, int64_t i) {
  const void *data = qe_tensor_const_data(t);
  switch (qe_tensor_dtype(t)) {
    case QE_UINT8: return ((const uint8_t *)data)[i];
    case QE_INT8: return ((const int8_t *)data)[i];
    case QE_UINT16: return ((const uint16_t *)data)[i];
    case QE_INT16: return ((const int16_t *)data)[i];
    case QE_INT32: return ((const int32_t *)data)[i];
    case QE_UINT32: return ((const uint32_t *)data)[i];
    default: return ((const int64_t *)data)[i];
  }
}

static int read_labels(const eval_args *a, const qe_dataset_t *labels, int64_t first, int64_t count, int64_t rows,
                       int64_t **out) {
  qe_tensor_t *t = NULL;
  *out = NULL;
  const qe_status_t status = qe_dataset_batch(labels, first, count, &t);
  if (status != QE_OK) return cli_fail(status, "--labels %s", a->labels.items[0]);
  int code = CLI_OK;
  if (qe_tensor_count(t) != rows) {
    code = cli_error(CLI_FAILED, "--labels %s: %lld labels for %lld rows of logits", a->labels.items[0],
                     (long long)qe_tensor_count(t), (long long)rows);
  } else {
    *out = cli_calloc((size_t)rows, sizeof **out);
    for (int64_t i = 0; i < rows; i++) (*out)[i] = integer_at(t, i);
  }
  qe_tensor_release(&t);
  return code;
}

/* Classes are the last dimension, or the second one when only 1s follow it ([N, classes, 1, 1]). */
static int64_t class_count(const qe_tensor_t *t) {
  uint32_t rank = qe_tensor_rank(t);
  const int64_t *dims = qe_tensor_dims(t);
  while (rank > 2 && dims[rank - 1] == 1) rank--;
  return rank >= 1 ? dims[rank - 1] : 1;
}

/* ---- the evaluation ---- */

typedef struct outcome {
  cli_score score;
  double *milliseconds; /* of runs with a full batch, or of the only one */
  size_t runs;
  qe_session_stats_t stats;
} outcome;

static int score_batch(const eval_args *a, const cli_feed *feed, const qe_dataset_t *labels, int64_t index,
                       qe_tensor_t *result, cli_score *score) {
  qe_tensor_t *logits = NULL;
  const char *name = a->output ? a->output : "the first output";
  const qe_status_t status = cli_as_float(result, &logits);
  if (status == QE_ERROR_DTYPE)
    return cli_error(CLI_FAILED, "%s: %s is %s, logits have to be float32 or quantized", a->model, name,
                     qe_dtype_name(qe_tensor_dtype(result)));
  if (status != QE_OK) return cli_fail(status, "%s", name);
  const int64_t classes = class_count(logits), count = qe_tensor_count(logits),
                rows = classes > 0 ? count / classes : 0;
  const int64_t samples = feed->whole ? qe_dataset_count(labels) : cli_feed_batch_samples(feed, index);
  int64_t *values = NULL, bad = 0;
  int code = read_labels(a, labels, index * feed->batch, samples, rows, &values);
  if (!code && !cli_score_add(score, rows, classes, qe_tensor_const_data(logits), values, &bad))
    code = cli_error(CLI_FAILED, "--labels %s: label %lld of row %lld is outside 0..%lld, the classes of %s",
                     a->labels.items[0], (long long)values[bad], (long long)(index * feed->batch + bad),
                     (long long)(classes - 1), a->model);
  free(values);
  qe_tensor_release(&logits);
  return code;
}

static int evaluate(const eval_args *a, const cli_feed *feed, const qe_dataset_t *labels, qe_session_t *session,
                    outcome *o) {
  cli_progress progress;
  cli_progress_start(&progress, "evaluating", "samples", feed->samples);
  o->milliseconds = cli_calloc((size_t)feed->batches, sizeof *o->milliseconds);
  int code = CLI_OK;
  for (int64_t i = 0; i < feed->batches && !code; i++) {
    if (cli_interrupted()) {
      cli_progress_finish(&progress);
      return cli_stop_interrupted();
    }
    qe_named_tensor_t *tensors = NULL;
    code = cli_feed_batch(feed, i, &tensors);
    if (code) break;
    qe_named_tensor_t result = { a->output, NULL };
    const bool full = i == 0 || cli_feed_batch_samples(feed, i) == feed->batch;
    /* Planning (new shapes) and, before the first run, warming up are not part of the latency. */
    qe_status_t status = full && i > 0 ? QE_OK : qe_session_plan(session, feed->n_inputs, tensors);
    if (status == QE_OK && i == 0) status = qe_session_run(session, feed->n_inputs, tensors, 1, &result);
    qe_tensor_release(&result.tensor);
    const double start = cli_now();
    if (status == QE_OK) status = qe_session_run(session, feed->n_inputs, tensors, 1, &result);
    const double stop = cli_now();
    if (full) o->milliseconds[o->runs++] = (stop - start) * 1e3;
    cli_feed_release(feed, &tensors);
    code =
        status == QE_OK ? score_batch(a, feed, labels, i, result.tensor, &o->score) : cli_fail(status, "%s", a->model);
    qe_tensor_release(&result.tensor);
    cli_progress_update(&progress, i * feed->batch + cli_feed_batch_samples(feed, i));
  }
  cli_progress_finish(&progress);
  if (code) return code;
  o->stats.struct_size = sizeof o->stats;
  const qe_status_t status = qe_session_get_stats(session, &o->stats);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->model);
}

static uint64_t max_rss(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static void report(const eval_args *a, const cli_feed *feed, outcome *o) {
  const double count = (double)o->score.count;
  const double top1 = (double)o->score.correct / count, loss = o->score.loss / count;
  const cli_spread latency = cli_spread_of(o->milliseconds, o->runs);
  if (!cli.json) {
    char arena[32], packed[32], rss[32];
    printf("top-1:   %.2f %% (%lld of %lld)\n", 100.0 * top1, (long long)o->score.correct, (long long)o->score.count);
    printf("loss:    %.6f\n", loss);
    printf("latency: %.3f ms median, %.3f ms p90, %.3f ms min, batch %lld, %zu runs\n", latency.median, latency.p90,
           latency.min, (long long)feed->batch, o->runs);
    printf("engine:  %s, %u threads\n", o->stats.engine ? o->stats.engine : "none", o->stats.threads);
    printf("memory:  %s activations, %s packed weights, %s at most in the process\n",
           cli_bytes_text(o->stats.arena_bytes, arena), cli_bytes_text(o->stats.packed_bytes, packed),
           cli_bytes_text(max_rss(), rss));
    return;
  }
  json_t *object = cli_json_begin(), *times = json_object();
  cli_json_set(object, "model", cli_json_text(a->model));
  cli_json_set(object, "top1", cli_json_real(top1));
  cli_json_set(object, "loss", cli_json_real(loss));
  cli_json_set(object, "count", cli_json_int(o->score.count));
  cli_json_set(object, "correct", cli_json_int(o->score.correct));
  cli_json_set(times, "median", cli_json_real(latency.median));
  cli_json_set(times, "p90", cli_json_real(latency.p90));
  cli_json_set(times, "min", cli_json_real(latency.min));
  cli_json_set(object, "latency_ms", times);
  cli_json_set(object, "engine", cli_json_text(o->stats.engine));
  cli_json_set(object, "threads", cli_json_int(o->stats.threads));
  cli_json_set(object, "batch", cli_json_int(feed->batch));
  cli_json_set(object, "arena_bytes", cli_json_int((int64_t)o->stats.arena_bytes));
  cli_json_set(object, "packed_bytes", cli_json_int((int64_t)o->stats.packed_bytes));
  cli_json_set(object, "max_rss_bytes", cli_json_int((int64_t)max_rss()));
  cli_json_set(object, "warnings", cli_json_warnings());
  cli_json_print(object);
}

static int eval_model(const eval_args *a) {
  qe_model_t *model = NULL;
  qe_dataset_t *labels = NULL;
  qe_session_t *session = NULL;
  cli_feed feed = { 0 };
  outcome o = { 0 };
  int code = cli_load_model(a->model, &model);
  if (!code) code = cli_feed_open(model, a->model, &a->data, &a->feed, &feed);
  if (!code) code = open_labels(a, &feed, &labels);
  if (!code) {
    const qe_session_options_t options_now = cli_session_options();
    const qe_status_t status = qe_session_create(model, &options_now, &session);
    if (status != QE_OK) code = cli_fail(status, "%s", a->model);
  }
  if (!code) code = evaluate(a, &feed, labels, session, &o);
  if (!code && o.score.count == 0) code = cli_error(CLI_FAILED, "%s gave no logits to score", a->model);
  if (!code) report(a, &feed, &o);
  free(o.milliseconds);
  qe_session_destroy(&session);
  qe_dataset_destroy(&labels);
  cli_feed_close(&feed);
  qe_model_destroy(&model);
  return code;
}

static int run(const cli_command *self, int argc, char **argv) {
  eval_args a = { .feed.option = "--data" };
  size_t count;
  const char **texts = cli_parse(self, parse, &a, argc, argv, 1, 1, &count);
  a.model = texts[0];
  int code = CLI_OK;
  if (!a.data.count) code = cli_usage("--data FILE is missing");
  else if (!a.labels.count) code = cli_usage("--labels FILE is missing");
  if (!code) code = cli_apply_engine();
  if (!code) code = eval_model(&a);
  free(a.data.items);
  free(a.labels.items);
  free(texts);
  return code;
}

const cli_command cli_command_eval = {
  .name = "eval",
  .args = "MODEL",
  .summary = "measure accuracy, loss and latency on labelled data",
  .description = "Runs MODEL over the data in batches and compares its logits with the labels: top-1 accuracy (a "
                 "fraction in JSON), mean cross-entropy, "
                 "the latency of a run with a full batch (planning left out), and memory.",
  .examples = "qengine eval int8.onnx --data images.gz --labels labels.gz --normalize 0.5,0.5",
  .options = options,
  .run = run,
};
