/* What `qengine advise` runs models on: calibration data, or random numbers of shapes that fit. See advise.h. */
#include <stdlib.h>
#include <string.h>

#include "advise.h"

enum { RANDOM_BATCHES = 4, RANDOM_BATCH = 8, STEPS = 64 };

/* A name that exporters give to the time axis. */
static bool is_time(const char *symbol) {
  static const char *const parts[] = { "seq", "len", "time", "step", "tok" };
  for (size_t i = 0; symbol && i < sizeof parts / sizeof parts[0]; i++)
    if (strstr(symbol, parts[i])) return true;
  return false;
}

static bool is_batch(const char *symbol) {
  return symbol && (strstr(symbol, "batch") || strcmp(symbol, "N") == 0);
}

/* "x=8,3,224,224" for an input with open dimensions; NULL: none is open, or the caller said so. */
static char *shape_text(const advice *a, const qe_value_info_t *info, int64_t batch) {
  bool open = false;
  const size_t length = strlen(info->name);
  for (size_t i = 0; i < a->shapes.count; i++)
    if (strncmp(a->shapes.items[i], info->name, length) == 0 && a->shapes.items[i][length] == '=') return NULL;
  char *text = cli_format("%s=", info->name);
  for (int32_t d = 0; d < info->rank; d++) {
    const char *symbol = info->symbols[d];
    const int64_t size = info->dims[d] >= 0           ? info->dims[d]
                         : is_time(symbol)            ? STEPS
                         : d == 0 || is_batch(symbol) ? batch
                                                      : 1;
    char *longer = cli_format("%s%s%lld", text, d ? "," : "", (long long)size);
    free(text);
    text = longer;
    open = open || info->dims[d] < 0;
  }
  if (open && info->rank > 0) return text;
  free(text);
  return NULL;
}

/* The caller's shapes and those made up; the texts live as long as the advice. */
static cli_list shapes_for(advice *a, int64_t batch) {
  cli_list list = { 0 };
  const qe_model_t *model = a->flows[ADVISE_FLOAT].model;
  const uint32_t n = qe_model_input_count(model);
  list.items = cli_calloc(a->shapes.count + n, sizeof *list.items);
  for (; list.count < a->shapes.count; list.count++) list.items[list.count] = a->shapes.items[list.count];
  for (uint32_t i = 0; i < n; i++) {
    qe_value_info_t info;
    char *text = qe_model_input(model, i, &info) == QE_OK ? shape_text(a, &info, batch) : NULL;
    if (!text) continue;
    a->shape_texts = cli_realloc(a->shape_texts, a->n_shape_texts + 1, sizeof *a->shape_texts);
    a->shape_texts[a->n_shape_texts++] = text;
    list.items[list.count++] = text;
  }
  return list;
}

static int load_random(advice *a) {
  const qe_model_t *model = a->flows[ADVISE_FLOAT].model;
  int64_t fixed;
  int code = cli_check_batch(model, a->path, 0, &fixed);
  if (code) return code;
  cli_list timed = shapes_for(a, a->batch), data = shapes_for(a, RANDOM_BATCH);
  code = cli_random_inputs(model, a->batch, &timed, 0, a->seed, &a->timed);
  if (!code) code = cli_random_batches(model, RANDOM_BATCH, &data, 0, a->seed + 1, RANDOM_BATCHES, &a->data);
  a->samples = RANDOM_BATCHES * (fixed ? fixed : RANDOM_BATCH);
  free(timed.items);
  free(data.items);
  return code;
}

/* A batch under the model's own names, which outlive the feed. */
static int take_batch(const qe_model_t *model, const cli_feed *feed, int64_t index, qe_named_tensor_t **out) {
  const int code = cli_feed_batch(feed, index, out);
  for (uint32_t i = 0; !code && i < feed->n_inputs; i++) (*out)[i].name = cli_model_input_name(model, i);
  return code;
}

static int load_timed(advice *a, const cli_feed *whole) {
  const qe_model_t *model = a->flows[ADVISE_FLOAT].model;
  int64_t fixed;
  int code = cli_check_batch(model, a->path, 0, &fixed);
  if (code) return code;
  if (whole->whole || fixed) {
    if (whole->whole) cli_note("the first dimensions of the inputs differ: all of the data is one run");
    a->batch = whole->batch;
    return take_batch(model, whole, 0, &a->timed);
  }
  cli_feed feed;
  cli_feed_options o = a->feed;
  o.batch = a->batch;
  code = cli_feed_open(model, a->path, &a->calib, &o, &feed);
  if (code) return code;
  if (feed.batch < a->batch) a->batch = feed.batch;
  code = take_batch(model, &feed, 0, &a->timed);
  cli_feed_close(&feed);
  return code;
}

static int load_files(advice *a) {
  const qe_model_t *model = a->flows[ADVISE_FLOAT].model;
  cli_feed feed;
  int code = cli_feed_open(model, a->path, &a->calib, &a->feed, &feed);
  if (code) return code;
  a->samples = feed.samples;
  a->data.items = cli_calloc((size_t)feed.batches, sizeof *a->data.items);
  for (int64_t i = 0; i < feed.batches && !code; i++) {
    code = take_batch(model, &feed, i, &a->data.items[i]);
    if (!code) a->data.count++;
  }
  if (!code) code = load_timed(a, &feed);
  cli_feed_close(&feed);
  return code;
}

int advise_load_data(advice *a) {
  return a->calib.count ? load_files(a) : load_random(a);
}
