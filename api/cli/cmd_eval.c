/* `qengine eval`: accuracy, loss and latency of a classifier (or of a model that predicts tokens). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "eval.h"
#include "json.h"
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
  CLI_STEPS_OPTIONS,
  { 0 },
};

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
    default: return cli_steps_parse(&a->steps, key, arg) ? 0 : ARGP_ERR_UNKNOWN;
  }
}

/* ---- labels ---- */

static int check_label_type(const eval_args *a, qe_dtype_t dtype) {
  switch (dtype) {
    case QE_UINT8: case QE_INT8: case QE_UINT16: case QE_INT16: case QE_INT32: case QE_UINT32: case QE_INT64:
      return CLI_OK;
    default:
      return cli_error(CLI_FAILED, "--labels %s: labels are %s, but integers are wanted", a->labels.items[0],
                       qe_dtype_name(dtype));
  }
}

static int open_labels(const eval_args *a, const cli_feed *feed, qe_dataset_t **out) {
  const qe_status_t status = qe_dataset_open((uint32_t)a->labels.count, a->labels.items, NULL, out);
  if (status != QE_OK) return cli_fail(status, "--labels %s", a->labels.items[0]);
  const int code = check_label_type(a, qe_dataset_dtype(*out));
  const int64_t labels = qe_dataset_count(*out), samples = qe_dataset_count(feed->inputs[0].data);
  if (code || labels == samples) return code;
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

/* Classes are the last dimension, or the second one when only 1s follow it ([N, classes, 1, 1]). */
static int64_t class_count(const qe_tensor_t *t) {
  uint32_t rank = qe_tensor_rank(t);
  const int64_t *dims = qe_tensor_dims(t);
  while (rank > 2 && dims[rank - 1] == 1) rank--;
  return rank >= 1 ? dims[rank - 1] : 1;
}

/* ---- the evaluation ---- */

int cli_eval_score(const eval_args *a, int64_t first, const qe_tensor_t *labels, qe_tensor_t *result,
                   cli_score *score) {
  qe_tensor_t *logits = NULL;
  const char *name = a->output ? a->output : "the first output";
  int code = check_label_type(a, qe_tensor_dtype(labels));
  if (code) return code;
  const qe_status_t status = cli_as_float(result, &logits);
  if (status == QE_ERROR_DTYPE)
    return cli_error(CLI_FAILED, "%s: %s is %s, logits have to be float32 or quantized", a->model, name,
                     qe_dtype_name(qe_tensor_dtype(result)));
  if (status != QE_OK) return cli_fail(status, "%s", name);
  const int64_t classes = class_count(logits), rows = classes > 0 ? qe_tensor_count(logits) / classes : 0;
  int64_t bad = 0, *values = cli_calloc((size_t)rows, sizeof *values);
  if (qe_tensor_count(labels) != rows)
    code = cli_error(CLI_FAILED, "--labels %s: %lld labels for %lld rows of logits", a->labels.items[0],
                     (long long)qe_tensor_count(labels), (long long)rows);
  for (int64_t i = 0; i < rows && !code; i++) values[i] = integer_at(labels, i);
  if (!code && !cli_score_add(score, rows, classes, qe_tensor_const_data(logits), values, &bad))
    code = cli_error(CLI_FAILED, "--labels %s: label %lld of row %lld is outside 0..%lld, the classes of %s",
                     a->labels.items[0], (long long)values[bad], (long long)(first + bad), (long long)(classes - 1),
                     a->model);
  free(values);
  qe_tensor_release(&logits);
  return code;
}

static int score_batch(const eval_args *a, const cli_feed *feed, const qe_dataset_t *labels, int64_t index,
                       qe_tensor_t *result, cli_score *score) {
  qe_tensor_t *t = NULL;
  const int64_t first = index * feed->batch,
                count = feed->whole ? qe_dataset_count(labels) : cli_feed_batch_samples(feed, index);
  const qe_status_t status = qe_dataset_batch(labels, first, count, &t);
  if (status != QE_OK) return cli_fail(status, "--labels %s", a->labels.items[0]);
  const int code = cli_eval_score(a, first, t, result, score);
  qe_tensor_release(&t);
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
  o->batch = feed->batch;
  o->stats.struct_size = sizeof o->stats;
  const qe_status_t status = qe_session_get_stats(session, &o->stats);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->model);
}

static const double LN_2 = 0.69314718055994530942;

static uint64_t max_rss(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static void report(const eval_args *a, const cli_states *states, outcome *o) {
  const double count = (double)o->score.count;
  const double top1 = (double)o->score.correct / count, loss = o->score.loss / count,
               bits = loss / LN_2;
  const cli_spread latency = cli_spread_of(o->milliseconds, o->runs);
  if (!cli.json) {
    char arena[32], packed[32], rss[32];
    printf("top-1:   %.2f %% (%lld of %lld)\n", 100.0 * top1, (long long)o->score.correct, (long long)o->score.count);
    printf("loss:    %.6f\n", loss);
    if (o->tokens) printf("bits:    %.4f per token\n", bits);
    printf("latency: %.3f ms median, %.3f ms p90, %.3f ms min, %s %lld, %zu runs\n", latency.median, latency.p90,
           latency.min, o->steps ? "step size" : "batch", (long long)(o->steps ? o->step_size : o->batch), o->runs);
    cli_states_print(states);
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
  if (o->tokens) cli_json_set(object, "bits", cli_json_real(bits));
  cli_json_set(object, "count", cli_json_int(o->score.count));
  cli_json_set(object, "correct", cli_json_int(o->score.correct));
  cli_json_set(times, "median", cli_json_real(latency.median));
  cli_json_set(times, "p90", cli_json_real(latency.p90));
  cli_json_set(times, "min", cli_json_real(latency.min));
  cli_json_set(object, "latency_ms", times);
  cli_json_set(object, "engine", cli_json_text(o->stats.engine));
  cli_json_set(object, "threads", cli_json_int(o->stats.threads));
  if (!o->steps) cli_json_set(object, "batch", cli_json_int(o->batch));
  if (o->steps) {
    cli_json_set(object, "steps", cli_json_int(o->steps));
    cli_json_set(object, "step_size", cli_json_int(o->step_size));
    cli_json_set(object, "states", cli_states_json(states));
  }
  cli_json_set(object, "arena_bytes", cli_json_int((int64_t)o->stats.arena_bytes));
  cli_json_set(object, "packed_bytes", cli_json_int((int64_t)o->stats.packed_bytes));
  cli_json_set(object, "max_rss_bytes", cli_json_int((int64_t)max_rss()));
  cli_json_set(object, "warnings", cli_json_warnings());
  cli_json_print(object);
}

/* In batches: samples that know nothing of one another. */
static int eval_batches(const eval_args *a, const qe_model_t *model, qe_session_t *session, outcome *o) {
  qe_dataset_t *labels = NULL;
  cli_feed feed = { 0 };
  int code = cli_feed_open(model, a->model, &a->data, &a->feed, &feed);
  if (!code) code = open_labels(a, &feed, &labels);
  if (!code) code = evaluate(a, &feed, labels, session, o);
  qe_dataset_destroy(&labels);
  cli_feed_close(&feed);
  return code;
}

static bool reads_tokens(const qe_model_t *model) {
  qe_value_info_t info;
  for (uint32_t i = 0; i < qe_model_input_count(model); i++)
    if (qe_model_input(model, i, &info) == QE_OK && (info.dtype == QE_INT64 || info.dtype == QE_INT32)) return true;
  return false;
}

static int eval_model(const eval_args *a) {
  qe_model_t *model = NULL;
  qe_session_t *session = NULL;
  cli_states states = { 0 };
  outcome o = { 0 };
  int code = cli_load_model(a->model, &model);
  if (!code) code = cli_states_choose(model, a->model, &a->steps.states, &states);
  if (!code) {
    const qe_session_options_t options_now = cli_session_options();
    const qe_status_t status = qe_session_create(model, &options_now, &session);
    if (status != QE_OK) code = cli_fail(status, "%s", a->model);
  }
  if (!code && cli_steps_wanted(&a->steps)) code = cli_eval_steps(a, model, &states, session, &o);
  else if (!code) code = eval_batches(a, model, session, &o);
  if (!code && o.score.count == 0) code = cli_error(CLI_FAILED, "%s gave no logits to score", a->model);
  o.tokens = !code && reads_tokens(model);
  if (!code) report(a, &states, &o);
  free(o.milliseconds);
  cli_states_free(&states);
  qe_session_destroy(&session);
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
  if (!code) code = cli_steps_check(&a.steps);
  if (!code && cli_steps_wanted(&a.steps) && (a.feed.normalize || a.feed.batch || a.feed.samples))
    code = cli_usage("--batch, --samples and --normalize do not go with --state: all streams run together, to their end");
  if (!code) code = cli_apply_engine();
  if (!code) code = eval_model(&a);
  free(a.data.items);
  free(a.labels.items);
  free(a.steps.states.items);
  free(texts);
  return code;
}

const cli_command cli_command_eval = {
  .name = "eval",
  .args = "MODEL",
  .summary = "measure accuracy, loss and latency on labelled data",
  .description = "Runs MODEL over the data in batches and compares its logits with the labels: top-1 accuracy (a "
                 "fraction in JSON), mean cross-entropy, "
                 "the latency of a run with a full batch (planning left out), and memory. For models that read token ids (int64 "
                 "or int32) also bits per token, the loss divided by ln 2.\n\n"
                 "With --state and --steps one long text is run piece by piece: an output is carried over to an input of "
                 "the next step, data and labels are cut alike. A float model gives the same loss for every cut; where "
                 "activations are quantized as they arrive, it depends on the cut a little.",
  .examples = "qengine eval int8.onnx --data images.gz --labels labels.gz --normalize 0.5,0.5\n"
              "qengine eval lstm.onnx --data tokens.npy --labels next.npy --state hn=h0 cn=c0 --steps 0 --step-size 64",
  .options = options,
  .run = run,
};
