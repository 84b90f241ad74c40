/* `qengine conform ENGINE --model M.onnx --data X.npy`: a whole model on two engines, value by value. */
#include <stdlib.h>
#include <string.h>

#include "conform.h"
#include "feed.h"
#include "json.h"
#include "ptq.h"
#include "table.h"

enum { LINES_SHOWN = 20 };

/* Where the comparison ended: at the first batch that differs, or at the last one. */
typedef struct place {
  int64_t batch, batches, first_sample, samples; /* samples: in this batch */
} place;

/* Why the model does not conform, with the batch; "" when it does. Free the result. */
static char *why_text(const qe_conform_model_report_t *r, const place *at) {
  const char *why = qe_conform_model_why(r);
  if (!why[0] || at->batches < 2) return cli_format("%s", why);
  return cli_format("in batch %lld of %lld (samples %lld to %lld, from 0), %s", (long long)at->batch + 1,
                    (long long)at->batches, (long long)at->first_sample,
                    (long long)(at->first_sample + at->samples - 1), why);
}

static json_t *json_value(const qe_conform_value_t *v) {
  json_t *row = json_object();
  cli_json_set(row, "name", cli_json_text(v->name));
  cli_json_set(row, "node", cli_json_text(v->node));
  cli_json_set(row, "op", cli_json_text(v->op));
  cli_json_set(row, "dtype", cli_json_text(v->dtype));
  cli_json_set(row, "elements", cli_json_int(v->elements));
  cli_json_set(row, "wrong", cli_json_int(v->wrong));
  cli_json_set(row, "first", v->first >= 0 ? cli_json_int(v->first) : json_null());
  cli_json_set(row, "expected", v->first >= 0 ? cli_json_text(v->expected) : json_null());
  cli_json_set(row, "got", v->first >= 0 ? cli_json_text(v->got) : json_null());
  cli_json_set(row, "is_output", json_boolean(v->is_output));
  return row;
}

static void print_json(const conform_args *a, const qe_conform_model_report_t *r, const place *at, const char *why) {
  uint32_t steps, on_engine;
  const int32_t first = qe_conform_first_difference(r);
  json_t *object = cli_json_begin(), *values = json_array();
  qe_conform_model_steps(r, &steps, &on_engine);
  for (uint32_t i = 0; i < qe_conform_value_count(r); i++)
    cli_json_append(values, json_value(qe_conform_value_at(r, i)));
  cli_json_set(object, "engine", cli_json_text(a->engine));
  cli_json_set(object, "against", cli_json_text(a->options.against ? a->options.against : "reference"));
  cli_json_set(object, "model", cli_json_text(a->model));
  cli_json_set(object, "steps", cli_json_int(steps));
  cli_json_set(object, "steps_on_engine", cli_json_int(on_engine));
  cli_json_set(object, "first_difference",
               first >= 0 ? cli_json_text(qe_conform_value_at(r, (uint32_t)first)->name) : json_null());
  cli_json_set(object, "conforms", json_boolean(qe_conform_model_conforms(r)));
  cli_json_set(object, "verdict", cli_json_text(qe_conform_model_conforms(r) ? "conforms" : "does not conform"));
  cli_json_set(object, "why", cli_json_text(why));
  cli_json_set(object, "batches", cli_json_int(at->batches));
  cli_json_set(object, "batches_compared", cli_json_int(at->batch + 1));
  cli_json_set(object, "samples_compared", cli_json_int(at->first_sample + at->samples));
  cli_json_set(object, "values", values);
  cli_json_set(object, "warnings", cli_json_warnings());
  cli_json_print(object);
}

static void print_text(const qe_conform_model_report_t *r, const place *at, const char *why) {
  uint32_t steps, on_engine, different = 0;
  cli_table *table = cli_table_new("value|node|op|type|>elements|>different|>first|expected|got");
  for (uint32_t i = 0; i < qe_conform_value_count(r); i++) {
    const qe_conform_value_t *v = qe_conform_value_at(r, i);
    if (v->wrong == 0) continue;
    if (different++ >= LINES_SHOWN && cli.verbose <= 0) continue;
    cli_table_cell(table, "%s", v->name);
    cli_table_cell(table, "%s", v->node);
    cli_table_cell(table, "%s", v->op);
    cli_table_cell(table, "%s", v->dtype);
    cli_table_cell(table, "%lld", (long long)v->elements);
    cli_table_cell(table, "%lld", (long long)v->wrong);
    cli_table_cell(table, "%lld", (long long)v->first);
    cli_table_cell(table, "%s", v->expected);
    cli_table_cell(table, "%s", v->got);
  }
  if (different) cli_table_print(table);
  if (different > LINES_SHOWN && cli.verbose <= 0)
    printf("(%u more not shown; -v shows all)\n", different - LINES_SHOWN);
  cli_table_free(table);
  qe_conform_model_steps(r, &steps, &on_engine);
  printf("%u values compared, %u differ; %u of %u steps ran on the engine\n", qe_conform_value_count(r), different,
         on_engine, steps);
  if (at->batches > 1)
    printf("%lld of %lld batches compared, %lld samples\n", (long long)at->batch + 1, (long long)at->batches,
           (long long)(at->first_sample + at->samples));
  const bool good = qe_conform_model_conforms(r);
  printf("%s%s", good ? "conforms" : "does not conform", good ? "\n" : ": ");
  if (good) return;
  cli_put_clean(stdout, why);
  putchar('\n');
}

/* Runs one batch on both engines; *report is NULL after an error. */
static int compare_batch(const conform_args *a, const qe_model_t *model, const cli_feed *feed, int64_t index,
                         qe_conform_model_report_t **report) {
  qe_named_tensor_t *inputs = NULL;
  qe_conform_model_report_destroy(report);
  int code = cli_feed_batch(feed, index, &inputs) ? CONFORM_USAGE : CONFORM_OK;
  if (!code) {
    const qe_status_t status = qe_conform_model(a->engine, model, feed->n_inputs, inputs, &a->options, report);
    if (status != QE_OK) code = conform_fail(status, a->engine);
  }
  cli_feed_release(feed, &inputs);
  return code;
}

static int with_model(const conform_args *a, const qe_model_t *model) {
  cli_feed feed = {0};
  const cli_feed_options options = {.option = "--data", .batch = a->batch, .samples = a->samples};
  cli_progress progress;
  place at = {0};
  qe_conform_model_report_t *report = NULL;
  if (cli_feed_open(model, a->model, &a->data, &options, &feed)) return CONFORM_USAGE;
  at.batches = feed.batches;
  cli_progress_start(&progress, "conform", "batches", feed.batches);
  int code;
  for (;;) {
    at.samples = cli_feed_batch_samples(&feed, at.batch);
    code = compare_batch(a, model, &feed, at.batch, &report);
    if (!code) cli_progress_update(&progress, at.batch + 1);
    if (!code && cli_interrupted()) code = cli_stop_interrupted();
    if (code || !qe_conform_model_conforms(report) || at.batch + 1 >= at.batches) break;
    at.batch++;
    at.first_sample += at.samples;
  }
  cli_progress_finish(&progress);
  if (!code) {
    char *why = why_text(report, &at);
    if (cli.json)
      print_json(a, report, &at, why);
    else
      print_text(report, &at, why);
    code = qe_conform_model_conforms(report) ? CONFORM_OK : CONFORM_FAILS;
    free(why);
  }
  qe_conform_model_report_destroy(&report);
  cli_feed_close(&feed);
  return code;
}

int conform_run_model(const conform_args *a) {
  qe_model_t *model = NULL;
  if (a->data.count == 0) return cli_usage("--model needs --data [NAME=]FILE, the inputs to run it on");
  if (cli_load_model(a->model, &model)) return CONFORM_USAGE;
  const int code = with_model(a, model);
  qe_model_destroy(&model);
  return code;
}
