/* `qengine compare`: two forms of one model side by side, value by value. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "json.h"
#include "ptq.h"
#include "table.h"

enum { KEY_DATA = 0x100, KEY_BATCH, KEY_SAMPLES, KEY_NORMALIZE, KEY_HTML, KEY_MIN_SQNR, KEY_FORCE };
enum { DEFAULT_SAMPLES = 64, LINES_SHOWN = 20, LAYERS_SHOWN = 5 };

static const struct argp_option options[] = {
  { "data", KEY_DATA, "[NAME=]FILE", 0, "the samples: npy, npz, idx (.gz too) or TensorProto .pb (required)", 0 },
  { "batch", KEY_BATCH, "N", 0, "samples per run (default: 32, or the model's fixed batch)", 0 },
  { "samples", KEY_SAMPLES, "N", 0, "the first N samples (default: 64, or all if there are fewer)", 0 },
  { "normalize", KEY_NORMALIZE, "MEAN,STD", 0, "integer images become (x/255 - MEAN)/STD", 0 },
  { "min-sqnr", KEY_MIN_SQNR, "DB", 0, "exit with 3 when an output's SQNR is below this", 0 },
  { "html", KEY_HTML, "FILE", 0, "write a report as one HTML page", 0 },
  { "force", KEY_FORCE, NULL, 0, "overwrite the HTML file", 0 },
  { 0 },
};

typedef struct compare_args {
  const char *html;
  cli_list data;
  cli_feed_options feed;
  bool has_min, force;
  double min_sqnr;
} compare_args;

static error_t parse(int key, char *arg, struct argp_state *state) {
  compare_args *a = state->input;
  switch (key) {
    case KEY_DATA: cli_list_add(&a->data, arg); return 0;
    case KEY_BATCH: a->feed.batch = cli_int_value("--batch", arg, 1, 1 << 20); return 0;
    case KEY_SAMPLES: a->feed.samples = cli_int_value("--samples", arg, 1, INT64_MAX); return 0;
    case KEY_NORMALIZE:
      a->feed.normalize = true;
      cli_normalize_value(arg, &a->feed.mean, &a->feed.std);
      return 0;
    case KEY_HTML: a->html = arg; return 0;
    case KEY_MIN_SQNR:
      a->has_min = true;
      a->min_sqnr = cli_real_value("--min-sqnr", arg);
      return 0;
    case KEY_FORCE: a->force = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

static json_t *json_pair(const cli_pair *p) {
  json_t *tensor = json_object();
  cli_json_set(tensor, "name", cli_json_text(p->name));
  cli_json_set(tensor, "node", cli_json_text(p->node));
  cli_json_set(tensor, "op", cli_json_text(p->op));
  cli_json_set(tensor, "sqnr_db", cli_json_real(p->sqnr));
  cli_json_set(tensor, "exact", json_boolean(p->sqnr >= CLI_SQNR_MOST));
  cli_json_set(tensor, "cosine", cli_json_real(p->cosine));
  cli_json_set(tensor, "max_error", cli_json_real(p->difference.max_error));
  cli_json_set(tensor, "count", cli_json_int(p->difference.count));
  return tensor;
}

static void print_json(const cli_comparison *c) {
  json_t *object = cli_json_begin(), *tensors = json_array(), *outputs = json_array(), *layers = json_array();
  cli_json_set(object, "a", cli_json_text(c->path_a));
  cli_json_set(object, "b", cli_json_text(c->path_b));
  cli_json_set(object, "samples", cli_json_int(c->samples));
  for (size_t i = 0; i < c->n_pairs; i++) {
    if (c->pairs[i].skipped) continue;
    cli_json_append(tensors, json_pair(&c->pairs[i]));
    if (c->pairs[i].is_output) cli_json_append(outputs, json_pair(&c->pairs[i]));
  }
  for (size_t i = 0; i < c->n_layers; i++) {
    const cli_layer *l = &c->layers[i];
    json_t *layer = json_object();
    cli_json_set(layer, "node", cli_json_text(l->node));
    cli_json_set(layer, "op", cli_json_text(l->op));
    cli_json_set(layer, "input_sqnr_db", cli_json_real(l->input_sqnr));
    cli_json_set(layer, "output_sqnr_db", cli_json_real(l->output_sqnr));
    cli_json_set(layer, "drop_db", cli_json_real(l->drop));
    cli_json_append(layers, layer);
  }
  cli_json_set(object, "tensors", tensors);
  cli_json_set(object, "outputs", outputs);
  cli_json_set(object, "layers", layers);
  cli_json_set(object, "output_sqnr_db", cli_json_real(c->output_sqnr));
  cli_json_set(object, "min_sqnr_db", c->has_min ? cli_json_real(c->min_sqnr) : json_null());
  cli_json_set(object, "passed", json_boolean(c->passed));
  cli_json_set(object, "warnings", cli_json_warnings());
  cli_json_print(object);
}

static void cell_db(cli_table *table, double db) {
  if (isnan(db)) cli_table_cell(table, "not finite");
  else if (db >= CLI_SQNR_MOST) cli_table_cell(table, "exact");
  else cli_table_cell(table, "%.2f", db);
}

static void print_text(const cli_comparison *c) {
  cli_table *values = cli_table_new("value|node|op|>SQNR dB|>cosine|>max error|>elements|");
  size_t hidden = 0;
  for (size_t i = 0; i < c->n_pairs; i++) {
    const cli_pair *p = &c->pairs[i];
    if (p->skipped) continue;
    if (i >= LINES_SHOWN && cli.verbose <= 0 && !p->is_output) {
      hidden++;
      continue;
    }
    cli_table_cell(values, "%s", p->name);
    cli_table_cell(values, "%s", p->node);
    cli_table_cell(values, "%s", p->op);
    cell_db(values, p->sqnr);
    cli_table_cell(values, "%.6f", p->cosine);
    cli_table_cell(values, "%.4g", p->difference.max_error);
    cli_table_cell(values, "%lld", (long long)p->difference.count);
    cli_table_cell(values, "%s", p->is_output ? "output" : "");
  }
  cli_table_print(values);
  cli_table_free(values);
  if (hidden) printf("(%zu better ones not shown; -v shows all)\n", hidden);
  if (c->n_layers && c->layers[0].drop > 0.0) puts("\nlayers that cost it:");
  else puts("\nno layer loses anything");
  cli_table *layers = cli_table_new("node|op|>input dB|>output dB|>drop dB");
  for (size_t i = 0; i < c->n_layers && (i < LAYERS_SHOWN || cli.verbose > 0) && c->layers[i].drop > 0.0; i++) {
    cli_table_cell(layers, "%s", c->layers[i].node);
    cli_table_cell(layers, "%s", c->layers[i].op);
    cell_db(layers, c->layers[i].input_sqnr);
    cell_db(layers, c->layers[i].output_sqnr);
    cli_table_cell(layers, "%.2f", c->layers[i].drop);
  }
  if (c->n_layers && c->layers[0].drop > 0.0) cli_table_print(layers);
  cli_table_free(layers);
  printf("\noutputs: ");
  if (isnan(c->output_sqnr)) printf("not finite");
  else if (c->output_sqnr >= CLI_SQNR_MOST) printf("equal in every bit");
  else printf("%.2f dB", c->output_sqnr);
  if (c->has_min) printf(", at least %.2f dB wanted: %s", c->min_sqnr, c->passed ? "passed" : "failed");
  printf(", %lld samples\n", (long long)c->samples);
}

static int compare(const compare_args *a, const char *path_a, const char *path_b) {
  cli_comparison c = { .path_a = path_a, .path_b = path_b, .has_min = a->has_min, .min_sqnr = a->min_sqnr };
  qe_model_t *model_a = NULL, *model_b = NULL;
  cli_feed feed = { 0 };
  int code = cli_load_model(path_a, &model_a);
  if (!code) code = cli_load_model(path_b, &model_b);
  if (!code) code = cli_feed_open(model_a, path_a, &a->data, &a->feed, &feed);
  if (!code) code = cli_compare_match(model_a, model_b, &c);
  if (!code) code = cli_compare_measure(model_a, model_b, &feed, &c);
  if (!code) {
    cli_compare_rank(model_b, &c);
    if (a->html) {
      char *page = cli_compare_html(&c);
      code = cli_write_file(a->html, page, strlen(page), a->force);
      free(page);
    }
  }
  if (!code) {
    (cli.json ? print_json : print_text)(&c);
    if (!c.passed) code = CLI_TOLERANCE;
  }
  cli_compare_free(&c);
  cli_feed_close(&feed);
  qe_model_destroy(&model_a);
  qe_model_destroy(&model_b);
  return code;
}

static int run(const cli_command *self, int argc, char **argv) {
  compare_args a = { .feed = { .option = "--data", .few = DEFAULT_SAMPLES } };
  size_t count;
  const char **texts = cli_parse(self, parse, &a, argc, argv, 2, 2, &count);
  int code = CLI_OK;
  if (!a.data.count) code = cli_usage("--data FILE is missing");
  else if (a.html) code = cli_output_check(a.html, a.force);
  if (!code) code = cli_apply_engine();
  if (!code) code = compare(&a, texts[0], texts[1]);
  free(a.data.items);
  free(texts);
  return code;
}

const cli_command cli_command_compare = {
  .name = "compare",
  .args = "A B",
  .summary = "compare two forms of a model, value by value",
  .description = "Runs A (usually the float model) and B (its quantized form) over the same data and shows, for every "
                 "value that both have, the "
                 "signal-to-quantization-noise ratio, the cosine and the largest error, worst first, and the layers "
                 "that lose most.\n\n"
                 "A SQNR of 300 dB in JSON stands for values that are equal in every bit.",
  .examples = "qengine compare model.onnx int8.onnx --data images.npy --html report.html\n"
              "qengine compare model.onnx int8.onnx --data images.npy --min-sqnr 20",
  .options = options,
  .run = run,
};
